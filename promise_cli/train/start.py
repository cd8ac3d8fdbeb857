"""Start a run: choose its folder, and make its network, weights and optimizer from a request."""

import dataclasses
from pathlib import Path

import torch
from torch.optim import AdamW

from promise_cli.console import say
from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Split
from promise_cli.disk.run_names import group_folder, run_name
from promise_cli.disk.workspace import LAST
from promise_cli.errors import CheckpointError, WorkspaceError, listed
from promise_cli.network.device import (
    Precision,
    choose_device,
    choose_precision,
    move_to_device,
    set_up_device,
)
from promise_cli.network.parts import freeze
from promise_cli.network.pretrained import load_pretrained
from promise_cli.network.promise import ProMISe
from promise_cli.network.recipe import TrainConfig
from promise_cli.network.registry import PROMISE, Network, build_network, check_name, encoder_of
from promise_cli.train.origin import load_origin, start_with
from promise_cli.train.run import Run
from promise_cli.train.run_files import curves_in
from promise_cli.train.sizes import choose_network
from promise_cli.train.train_request import TrainRequest


def start_run(
    folder: Path,
    request: TrainRequest,
    plan: Plan,
    split: Split,
    *,
    device: str,
    processes: int,
    weights_dir: Path,
    fingerprint: Path | None = None,
) -> Run:
    """Make a run, in the state before its first epoch.

    Args:
        folder: Folder of the run.
        request: The call.
        plan: Plan of the dataset.
        split: Cases of the fold.
        device: Device of this process.
        processes: Number of processes that share each step.
        weights_dir: Folder of pretrained weights.
        fingerprint: Path of the dataset's `fingerprint.json`, or None. In networks other than ProMISe the patch is no
            wider than the median scan in it.

    Raises:
        WorkspaceError: The folder holds a run already, and the request does not say to overwrite it.
        PlanError: The network, the preset or a field is unknown, or they do not fit together.
        CheckpointError: The pretrained weights, the network to start from, the device or the precision are not
            available.
    """
    there = [path for path in sorted(folder.glob("checkpoint_*.pt")) if path.is_file()]
    if there and not request.overwrite:
        ways = (
            "--resume to continue it, or --overwrite" if (folder / LAST).exists() else "--overwrite"
        )
        raise WorkspaceError(
            f"{there[-1]}: a run exists already; add {ways} to start anew, or --name NAME to keep both"
        )
    origin = load_origin(request)
    sizes = None if origin is None else origin.checkpoint.model_config
    choice = choose_network(request, plan, fingerprint, sizes)
    if choice.config.freeze != "nothing" and origin is None:
        raise CheckpointError(
            f"--freeze {choice.config.freeze}: without --from, random weights would stay as they are; add --from RUN,"
            " or leave --freeze out"
        )
    chosen = choose_device(device)
    precision = choose_precision(choice.config.precision, chosen, encoder_of(choice.model_config))
    config = dataclasses.replace(choice.config, precision=precision)
    seed = 42 if request.seed is None else request.seed
    torch.manual_seed(seed)
    model = build_network(choice.network, choice.model_config)
    encoder_weights, started_from = "none", None
    if origin is not None:
        encoder_weights = origin.checkpoint.encoder_weights
        started_from = start_with(model, origin, config.freeze)
        if isinstance(model, ProMISe) and encoder_weights != "none":
            model.freeze_encoder()
        freeze(model, choice.network, config.freeze)
    elif isinstance(model, ProMISe):
        encoder_weights = load_pretrained(model, request.weights, weights_dir)
    set_up_device(chosen, precision)
    move_to_device(model, chosen)
    return Run(
        folder=folder,
        preset=choice.preset,
        fold=request.fold,
        split=split,
        seed=seed,
        plan=dataclasses.replace(plan, patch_size=choice.model_config.patch_size),
        config=config,
        samples_per_step=config.batch_size * config.accumulate * processes,
        model=model,
        optimizer=make_optimizer(model, config),
        scaler=make_scaler(chosen, precision),
        device=chosen,
        encoder_weights=encoder_weights,
        network=choice.network,
        started_from=started_from,
        replaces=bool(there),
        replaced_curves=curves_in(folder) if there else (),
    )


def make_optimizer(model: Network, config: TrainConfig) -> AdamW:
    """Make AdamW for the parameters that are trained.

    They are in the order of the network's parameters, because a checkpoint stores the moments in that order.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate, decay = config.learning_rate, config.weight_decay
    return AdamW(trainable, lr=rate, weight_decay=decay, fused=is_fused(trainable[0].device))


def is_fused(device: torch.device) -> bool:
    """Whether one kernel updates all weights, as on a GPU. It skips a step of fp16 without waiting for the host."""
    return device.type == "cuda"


def make_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """Return the scaler of the loss. It does nothing unless the precision is fp16."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


CLICKS = "_clicks"
"""End of the name of a network's folder in the results if the network gets its clicks as channels."""


def run_folder(dataset: Path, request: TrainRequest) -> Path:
    """Return the folder of the run that a call means.

    Args:
        dataset: Folder of the dataset's results.
        request: The call. If it resumes a run without naming the network, it means the only run of the fold.

    Raises:
        PlanError: The network is unknown.
        WorkspaceError: The name cannot be a part of a folder's name.
        CheckpointError: Several runs could be resumed.
    """
    network = request.network or PROMISE
    check_name(network)
    fold = f"fold_{request.fold}"
    suffix = CLICKS if request.clicks_as_channel else ""
    own = None if network == PROMISE else f"{network}{suffix}"
    exact = group_folder(dataset, own, request.name) / fold
    # There is no run of promise with clicks as channels, so this option means the run of another network.
    promises = network == PROMISE and request.clicks_as_channel
    if not request.resume or ((exact / LAST).exists() and not promises):
        return exact
    there = [path.parent for path in sorted(dataset.glob(f"*/{fold}/{LAST}"))]
    fits = [path for path in there if _may_mean(request, path.parent)]
    if len(fits) > 1:
        shown = listed(path.parent.name for path in fits)
        raise CheckpointError(
            f"{dataset}: several runs could be resumed ({shown}); name one with --network, and add"
            " --clicks-as-channel if its name ends in _clicks"
        )
    if fits:
        say(f"resuming the only run of fold {request.fold}: {fits[0]}")
    return fits[0] if fits else exact


def _may_mean(request: TrainRequest, group: Path) -> bool:
    """Whether a call may mean the runs in the folder of a network and a name."""
    if run_name(group) != request.name:
        return False
    network = group.name.removesuffix(f"__{request.name}")
    if request.clicks_as_channel and not network.endswith(CLICKS):
        return False
    return request.network is None or network.removesuffix(CLICKS) == request.network
