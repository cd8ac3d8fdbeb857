"""Resume a run from the last checkpoint of an earlier call."""

import copy
import dataclasses
from pathlib import Path

from torch.optim import AdamW

from promise_cli.console import counted
from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Split
from promise_cli.disk.records import record_from_json
from promise_cli.disk.workspace import LAST, checkpoints_in
from promise_cli.errors import CheckpointError, PlanError
from promise_cli.network.checkpoint import Checkpoint, build_model, load_checkpoint
from promise_cli.network.device import (
    choose_device,
    choose_precision,
    move_to_device,
    set_up_device,
)
from promise_cli.network.parts import freeze
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.promise import NEVER_CALLED, ProMISe
from promise_cli.network.registry import Network, encoder_of
from promise_cli.train.curves import EpochLog, load_log
from promise_cli.train.provenance import origin_of
from promise_cli.train.run import Run, restore_random_states
from promise_cli.train.start import is_fused, make_optimizer, make_scaler
from promise_cli.train.train_request import MAY_CHANGE, OPTIONS, TrainRequest


def resume_run(
    folder: Path, request: TrainRequest, plan: Plan, split: Split, *, device: str, processes: int
) -> Run:
    """Return a run in the state of its last checkpoint. The arguments are those of `start.start_run`.

    Raises:
        CheckpointError: There is no usable checkpoint, or something has changed that must stay the same within a run.
    """
    path = folder / LAST
    if not path.exists():
        there = checkpoints_in(folder)
        start = f"holds only {there}; use --overwrite instead of --resume to start anew"
        raise CheckpointError(
            f"{folder}: nothing to resume, it {start}"
            if there
            else f"{path}: nothing to resume; leave --resume out to start a run"
        )
    if request.fields:
        raise CheckpointError(
            "--set: a run keeps the fields that it was started with; leave --set out to continue, or start anew with"
            " --overwrite instead of --resume"
        )
    checkpoint = load_checkpoint(path)
    check_unchanged(path, checkpoint, plan, split)
    _check_request(request, checkpoint)
    changed = {name: value for name, value in request.recipe().items() if name in MAY_CHANGE}
    config = dataclasses.replace(checkpoint.train_config, **changed)
    samples = config.batch_size * config.accumulate * processes
    if samples != checkpoint.samples_per_step:
        raise CheckpointError(
            f"{path}: was trained with {counted(checkpoint.samples_per_step, 'sample')} per step, but this call takes"
            f" {samples} (--batch-size {config.batch_size} x --accumulate {config.accumulate} x"
            f" {counted(processes, 'device')}); change one of these numbers so that the product stays the same"
        )
    if config.epochs < checkpoint.epoch + (checkpoint.step > 0):
        raise CheckpointError(
            f"{path}: {counted(checkpoint.epoch, 'epoch', 'are')} done and --epochs is {config.epochs}; ask for more"
            " epochs"
        )
    chosen = choose_device(device)
    precision = choose_precision(config.precision, chosen, encoder_of(checkpoint.model_config))
    config = dataclasses.replace(config, precision=precision)  # checkpoints of format 1 hold auto
    model = build_model(checkpoint, path)
    if isinstance(model, ProMISe) and checkpoint.encoder_weights != "none":
        model.freeze_encoder()
    freeze(model, checkpoint.network, config.freeze)
    set_up_device(chosen, precision)
    move_to_device(model, chosen)
    optimizer = make_optimizer(model, config)
    _load_state(optimizer, model, checkpoint, path)
    scaler = make_scaler(chosen, precision)
    try:
        if checkpoint.scaler:
            scaler.load_state_dict(checkpoint.scaler)
        restore_random_states(checkpoint.random_states, chosen)
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: the state of the scaler or of the random numbers is damaged ({error}); restore the file, or start"
            " anew with --overwrite instead of --resume"
        ) from None
    return Run(
        folder=folder,
        preset=checkpoint.preset,
        fold=checkpoint.fold,
        split=split,
        seed=checkpoint.seed,
        plan=checkpoint.plan,
        config=config,
        samples_per_step=samples,
        model=model,
        optimizer=optimizer,
        scaler=scaler,
        device=chosen,
        encoder_weights=checkpoint.encoder_weights,
        network=checkpoint.network,
        started_from=origin_of(folder),
        epoch=checkpoint.epoch,
        step=checkpoint.step,
        sums=dict(checkpoint.sums),
        best_dice=checkpoint.best_dice,
        last_dice=checkpoint.validation_dice,
        log=log_of(checkpoint, folder),
    )


def _load_state(optimizer: AdamW, model: Network, checkpoint: Checkpoint, path: Path) -> None:
    """Load the optimizer's moments from a checkpoint.

    Raises:
        CheckpointError: The checkpoint holds no moments, or they do not fit the network.
    """
    state = copy.deepcopy(checkpoint.optimizer)  # the optimizer would change the checkpoint
    begun = checkpoint.epoch + checkpoint.step > 0
    moments_by_index = state.get("state", {})
    if not state or (begun and isinstance(moments_by_index, dict) and not moments_by_index):
        raise CheckpointError(
            f"{path}: holds no state of the optimizer, so it is only for prediction (a copy of checkpoint_final.pt"
            " or checkpoint_best.pt?); restore the run's own checkpoint_last.pt, or start anew with --overwrite instead"
            " of --resume"
        )
    try:
        for group in state["param_groups"]:  # the run may have been on another device before
            group["fused"] = is_fused(next(model.parameters()).device)
        optimizer.load_state_dict(state)
        counted = {int(moments["step"]) for moments in optimizer.state.values()}
        for parameter, moments in optimizer.state.items():
            for name in ("exp_avg", "exp_avg_sq"):
                if moments[name].shape != parameter.shape or moments[name].is_complex():
                    counted = set()
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError):
        counted = set()
    lacking = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and NEVER_CALLED not in name and parameter not in optimizer.state
    ]
    if begun and (len(counted) != 1 or lacking):
        raise CheckpointError(
            f"{path}: the state of the optimizer is damaged or incomplete; restore the file, or start anew with"
            " --overwrite instead of --resume"
        )


def log_of(checkpoint: Checkpoint, folder: Path) -> list[EpochLog]:
    """Return the log of the epochs that are done. Older checkpoints do not hold it; it is then read from log.csv."""
    try:
        rows = (
            [record_from_json(EpochLog, row, f"{folder / LAST}: log") for row in checkpoint.log]
            if checkpoint.log
            else load_log(folder / "log.csv")
        )
    except PlanError as error:
        raise CheckpointError(str(error)) from None
    return [row for row in rows if row.epoch <= checkpoint.epoch]


def check_unchanged(path: Path, checkpoint: Checkpoint, plan: Plan, split: Split) -> None:
    """Refuse to continue with another plan or other cases than the run was started with."""
    if dataclasses.replace(plan, patch_size=checkpoint.plan.patch_size) != checkpoint.plan:
        raise CheckpointError(
            f"{path}: was trained with another plan than plans.json now holds; restore plans.json, or add"
            " --overwrite instead of --resume to start anew"
        )
    if checkpoint.split != split:
        raise CheckpointError(
            f"{path}: was trained with other cases than fold {checkpoint.fold} of splits.json now has; restore"
            " splits.json, or add --overwrite instead of --resume to start anew"
        )


def _check_request(request: TrainRequest, checkpoint: Checkpoint) -> None:
    """Refuse options that differ from the start of the run and must stay the same within it."""
    weights = request.weights and Path(request.weights).name
    sizes = checkpoint.model_config
    clicked = isinstance(sizes, PlainConfig) and sizes.clicks_as_channel
    asked: dict[str, tuple[object, object]] = {
        "--network": (request.network, checkpoint.network),
        "--clicks-as-channel": (request.clicks_as_channel, clicked),
        "--preset": (request.preset, checkpoint.preset),
        "--encoder": (request.encoder, encoder_of(sizes)),
        "--weights": (
            weights,
            checkpoint.encoder_weights.rpartition(" ")[0] or checkpoint.encoder_weights,
        ),
        "--seed": (request.seed, checkpoint.seed),
    }
    for name, value in request.recipe().items():
        if name not in MAY_CHANGE and value != "auto":
            asked[OPTIONS[name]] = (value, getattr(checkpoint.train_config, name))
    for option, (given, started) in asked.items():
        if given is not None and given != started:
            raise CheckpointError(
                f"{option} {given}: this run was started with {started}; leave the option out to continue, or start"
                " anew with --overwrite instead of --resume"
            )
