"""The start of a run: its folder, network, weights and optimizer, from a request."""

import dataclasses
from pathlib import Path

import torch
from torch.optim import AdamW

from promise_cli.console import say
from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Split
from promise_cli.disk.workspace import LAST
from promise_cli.errors import CheckpointError, WorkspaceError
from promise_cli.network.device import (
    Precision,
    choose_device,
    choose_precision,
    move_to_device,
    set_up_device,
)
from promise_cli.network.pretrained import load_pretrained
from promise_cli.network.promise import ProMISe
from promise_cli.network.recipe import TrainConfig
from promise_cli.network.registry import PROMISE, Network, build_network, check_name, encoder_of
from promise_cli.train.run import Run
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
    """A run before its first epoch.

    Args:
        folder: Folder of the run.
        request: What was asked for.
        plan: Plan of the dataset.
        split: Cases of the fold.
        device: Device of this process.
        processes: Number of processes that share each step.
        weights_dir: Where pretrained weights are looked for.
        fingerprint: The dataset's `fingerprint.json`; the patch of a rival is no wider than its scans.

    Raises:
        WorkspaceError: The folder holds a run already, and is not to be overwritten.
        PlanError: Unknown network, preset or encoder.
        CheckpointError: The pretrained weights, the device or the precision are not available.
    """
    there = [path for path in sorted(folder.glob("checkpoint_*.pt")) if path.is_file()]
    if there and not request.overwrite:
        raise WorkspaceError(
            f"{there[-1]}: a run exists already; add --resume to continue it, or --overwrite to start anew"
        )
    choice = choose_network(request, plan, fingerprint)
    chosen = choose_device(device)
    precision = choose_precision(choice.config.precision, chosen, encoder_of(choice.model_config))
    config = dataclasses.replace(choice.config, precision=precision)
    seed = 42 if request.seed is None else request.seed
    torch.manual_seed(seed)
    model = build_network(choice.network, choice.model_config)
    encoder_weights = "none"
    if isinstance(model, ProMISe):
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
        replaces=bool(there),
    )


def make_optimizer(model: Network, config: TrainConfig) -> AdamW:
    """AdamW over what is trained, in the order of the network's parameters, by which a checkpoint keeps its moments."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate, decay = config.learning_rate, config.weight_decay
    return AdamW(trainable, lr=rate, weight_decay=decay, fused=is_fused(trainable[0].device))


def is_fused(device: torch.device) -> bool:
    """Whether one kernel updates all weights: on a GPU. It also skips a step of fp16 without asking the host."""
    return device.type == "cuda"


def make_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """The scaler of the loss; it does nothing unless the precision is fp16."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


CLICKS = "_clicks"


def run_folder(dataset: Path, request: TrainRequest) -> Path:
    """The folder that a call works on.

    Args:
        dataset: Folder of its results.
        request: The call. One that resumes and leaves the network out means the only run of the fold.

    Raises:
        PlanError: No such network.
        CheckpointError: Several runs could be resumed.
    """
    network = request.network or PROMISE
    check_name(network)
    fold = f"fold_{request.fold}"
    suffix = CLICKS if request.clicks_as_channel else ""
    exact = dataset / fold if network == PROMISE else dataset / f"{network}{suffix}" / fold
    promises = network == PROMISE and request.clicks_as_channel  # no run of its own is called so
    if not request.resume or ((exact / LAST).exists() and not promises):
        return exact
    there = [path.parent for path in sorted(dataset.glob(f"*/{fold}/{LAST}"))]
    fits = [path for path in there if _may_mean(request, path.parent.name)]
    if len(fits) > 1:
        shown = ", ".join(path.parent.name for path in fits)
        raise CheckpointError(
            f"{dataset}: runs of several networks could go on ({shown}); name one with --network, and"
            " --clicks-as-channel where its name ends so"
        )
    if fits:
        say(f"going on with the only run of fold {request.fold}: {fits[0]}")
    return fits[0] if fits else exact


def _may_mean(request: TrainRequest, name: str) -> bool:
    if request.clicks_as_channel and not name.endswith(CLICKS):
        return False
    return request.network is None or name.removesuffix(CLICKS) == request.network
