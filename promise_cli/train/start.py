"""How a run begins: from a request."""

import dataclasses
from pathlib import Path

import torch
from torch.optim import AdamW

from promise_cli.architectures import (
    Network,
    build_network,
    encoder_of,
)
from promise_cli.device import choose_device, choose_precision
from promise_cli.errors import WorkspaceError
from promise_cli.model import ProMISe
from promise_cli.plan import Plan
from promise_cli.presets import TrainConfig
from promise_cli.pretrained import load_pretrained
from promise_cli.splits import Split
from promise_cli.train.request import TrainRequest
from promise_cli.train.run import Run
from promise_cli.train.sizes import choose_network


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
        folder: Of the run.
        request: What was asked for.
        plan: Of the dataset.
        split: Cases of the fold.
        device: Of this process.
        processes: That share each step.
        weights_dir: Where pretrained weights are looked for.
        fingerprint: The dataset's `fingerprint.json`; the patch of networks beside ProMISe is no wider than its scans.

    Raises:
        WorkspaceError: The folder holds a run already, and is not to be overwritten.
        PlanError: Unknown network, preset or encoder.
        CheckpointError: The pretrained weights, the device or the precision are not to be had.
    """
    there = [path for path in sorted(folder.glob("checkpoint_*.pt")) if path.is_file()]
    if there and not request.overwrite:
        raise WorkspaceError(
            f"{there[-1]}: a run is there already; add --resume to go on with it, or --overwrite to start anew"
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
    model.to(chosen)
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
        device=chosen,
        encoder_weights=encoder_weights,
        network=choice.network,
        replaces=bool(there),
    )


def make_optimizer(model: Network, config: TrainConfig) -> AdamW:
    """AdamW over what is trained, in the order of the network's parameters, by which a checkpoint keeps its moments."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return AdamW(trainable, lr=config.learning_rate, weight_decay=config.weight_decay)
