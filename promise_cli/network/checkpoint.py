"""A trained network in one file: its weights, its config, the plan, and the state from which training can continue.

A checkpoint holds only tensors and plain types and is read with `weights_only=True`, so a checkpoint from an untrusted
source cannot run code.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from promise_cli import __version__
from promise_cli.console import counted
from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Split
from promise_cli.disk.atomic import whole_file
from promise_cli.disk.reasons import room_at
from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.disk.workspace import Fold, checkpoints_in
from promise_cli.errors import CheckpointError, PlanError, shown
from promise_cli.network.authors import published_plan
from promise_cli.network.contents import check_weights, is_plain, problem_of
from promise_cli.network.earlier import convert_jitter, drop_removed_options
from promise_cli.network.promise.reference import (
    has_sections,
    import_reference_checkpoint,
    is_reference_checkpoint,
)
from promise_cli.network.promise.weights import read_checkpoint
from promise_cli.network.recipe import TrainConfig, preset
from promise_cli.network.registry import PROMISE, Network, NetworkConfig, build_network, config_type

FORMAT = "promise-checkpoint"
FORMAT_VERSION = 3
READABLE_VERSIONS = (1, 2, 3)


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """The content of one checkpoint file."""

    model_config: NetworkConfig
    """Sizes and options from which the network is rebuilt."""
    train_config: TrainConfig
    """Recipe with which the network is trained."""
    plan: Plan
    """Plan of the dataset. Its patch size is the one that the network was trained with."""
    preset: str
    """Name of the preset that the run was started with."""
    fold: Fold
    """Fold of splits.json, counted from 0, or `all`."""
    split: Split
    """Training, validation and test cases of the fold."""
    seed: int
    """Seed of the run."""
    encoder_weights: str
    """File name and sha256 of the encoder's pretrained weights, or `none`."""
    epoch: int
    """Number of finished epochs."""
    validation_dice: float | None
    """Validation Dice of these weights. None if they were not validated."""
    best_dice: float | None
    """Best validation Dice of the run so far. None before the first validation."""
    weights: dict[str, Tensor]
    """State dict of the network."""
    step: int = 0
    """Optimizer steps done in the unfinished epoch. 0 between two epochs."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sums of the losses and of the time over the steps of the unfinished epoch, by name."""
    samples_per_step: int = 1
    """Samples of one optimizer step, over all devices and accumulated batches."""
    optimizer: dict[str, Any] = field(default_factory=dict)
    """State dict of the optimizer. Empty in a checkpoint that is only for prediction."""
    scaler: dict[str, Any] = field(default_factory=dict)
    """State dict of the scaler of the loss. Empty unless the run trains in fp16."""
    random_states: dict[str, Tensor] = field(default_factory=dict)
    """State of torch's random generators, by device type. Empty in a checkpoint that is only for prediction."""
    log: list[dict[str, Any]] = field(default_factory=list)
    """One row of log.csv for each finished epoch."""
    network: str = PROMISE
    """Name of the network, as given to `--network`."""


_RECORDS: dict[str, Any] = {
    "train_config": TrainConfig,
    "plan": Plan,
    "split": Split,
}
_PLAIN: dict[str, tuple[type, ...]] = {
    "preset": (str,),
    "fold": (int, str),
    "seed": (int,),
    "encoder_weights": (str,),
    "epoch": (int,),
    "validation_dice": (float, type(None)),
    "best_dice": (float, type(None)),
    "weights": (dict,),
    "optimizer": (dict,),
}
_ADDED: dict[str, tuple[type, ...]] = {
    "step": (int,),
    "sums": (dict,),
    "samples_per_step": (int,),
    "log": (list,),
    "network": (str,),
    "scaler": (dict,),
    "random_states": (dict,),
}
"""Entries that older files do not have. A missing entry takes its default. The default of `network` is ProMISe, because
before format version 3 every network was ProMISe."""


def save_checkpoint(checkpoint: Checkpoint, path: Path, kept: str = "then write it again") -> None:
    """Write a checkpoint completely or not at all. The previous file stays until the new one is complete.

    Args:
        checkpoint: The checkpoint.
        path: The file.
        kept: End of the message if the file cannot be written. It says what is kept and how to continue.

    Raises:
        CheckpointError: The file cannot be written, for example because the disk is full.
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "promise_cli": __version__,
    }
    for name in ("model_config", *_RECORDS):
        content[name] = record_to_json(getattr(checkpoint, name))
    for name in (*_PLAIN, *_ADDED):
        content[name] = getattr(checkpoint, name)
    try:
        with whole_file(path) as temporary:
            torch.save(content, temporary)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError on a full disk
        # torch's own words name lines of its source. It does not say that a disk is full.
        reason = getattr(error, "strerror", None) or "only a part fitted"
        raise CheckpointError(
            f"{path}: cannot be written ({reason}; {room_at(path)}); check free space and permissions, {kept}"
        ) from None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of this tool, or one that the paper's authors published, onto the CPU.

    Raises:
        CheckpointError: The file is missing or truncated, contains code, or is not a checkpoint of either kind.
    """
    if not path.is_file():
        there = checkpoints_in(path.parent)
        instead = f"its folder holds {there}" if there else "train one with promise-train --fold 0"
        raise CheckpointError(f"{path}: no such checkpoint; {instead}")
    try:
        content = read_checkpoint(path)
    except CheckpointError:
        if is_reference_checkpoint(path):  # it may hold numpy's numbers, which other files may not
            return _load_published(path)
        raise
    if has_sections(content):
        return _load_published(path)
    if not isinstance(content, dict) or not _is_format(content.get("format")):
        raise CheckpointError(
            f"{path}: not a checkpoint of promise-train; give its checkpoint_final.pt or checkpoint_best.pt"
        )
    version = content.get("format_version")
    if type(version) is not int or version not in READABLE_VERSIONS:
        *older, newest = map(str, READABLE_VERSIONS)
        readable = f"{', '.join(older)} and {newest}"
        raise CheckpointError(
            f"{path}: has format version {shown(version)}, but this promise_cli reads versions"
            f" {readable}; use promise_cli {shown(content.get('promise_cli'))}, which wrote the file"
        )
    try:
        return _from_content(content, path)
    except KeyError as error:
        raise CheckpointError(
            f"{path}: the entry {error} is missing; train again or copy the file again"
        ) from None
    except PlanError as error:
        raise CheckpointError(str(error)) from None


def _is_format(value: Any) -> bool:
    return isinstance(value, str) and value == FORMAT


def _from_content(content: dict[str, Any], path: Path) -> Checkpoint:
    """Build a checkpoint from the content of its file.

    Raises:
        CheckpointError, PlanError: An entry has a wrong type or an impossible value.
        KeyError: An entry is missing.
    """
    kinds = {"model_config": _config_type(content, path), **_RECORDS}
    for name in kinds:
        if not is_plain(content[name]):
            raise CheckpointError(
                f"{path}: {name} holds other things than texts and numbers; copy the file again"
            )
    drop_removed_options(content["model_config"], path)
    convert_jitter(content["train_config"], content["plan"])
    records = {
        name: record_from_json(kind, content[name], f"{path}: {name}")
        for name, kind in kinds.items()
    }
    plain = _PLAIN | {name: kind for name, kind in _ADDED.items() if name in content}
    for name, kind in plain.items():
        if not isinstance(content[name], kind):
            raise CheckpointError(
                f"{path}: {name} has the wrong type {type(content[name]).__name__}; train again or copy the"
                " file again"
            )
    if (problem := problem_of(content)) is not None:
        raise CheckpointError(f"{path}: {problem}; train again or copy the file again")
    return Checkpoint(**records, **{name: content[name] for name in plain})


def _load_published(path: Path) -> Checkpoint:
    model_config, weights = import_reference_checkpoint(path)
    return Checkpoint(
        model_config=model_config,
        train_config=preset("reference")[1],
        plan=published_plan(path),
        preset="reference",
        fold=0,
        split=Split((), (), ()),
        seed=0,
        encoder_weights="sam_vit_b",
        epoch=0,
        validation_dice=None,
        best_dice=None,
        weights=weights,
    )


def _config_type(content: dict[str, Any], path: Path) -> Any:
    name = content.get("network", PROMISE)
    try:
        return config_type(str(name))
    except PlanError:
        raise CheckpointError(
            f"{path}: network {shown(name)} is unknown to this version of promise_cli; use version"
            f" {shown(content.get('promise_cli'))}, which wrote the file"
        ) from None


def build_model(checkpoint: Checkpoint, path: Path) -> Network:
    """Build the network of a checkpoint and load its weights. The network is in evaluation mode.

    Raises:
        CheckpointError: The network cannot be built, or names, shapes or types of the stored weights differ from those
            of the network.
    """
    ours, planned = checkpoint.model_config.patch_size, checkpoint.plan.patch_size
    if ours != planned:
        raise CheckpointError(
            f"{path}: the plan has patches of {planned} voxels, but the network of {ours}; train again or copy the"
            " file again"
        )
    images, planned = checkpoint.model_config.channels, len(checkpoint.plan.channels)
    if images != planned:
        raise CheckpointError(
            f"{path}: the plan has scans of {counted(planned, 'channel')}, but the network takes {images}; train again"
            " or copy the file again"
        )
    try:
        model = build_network(checkpoint.network, checkpoint.model_config)
        check_weights(model, checkpoint.weights)
        model.load_state_dict(checkpoint.weights)
    except PlanError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{path}: the weights do not fit the network of the same file ({reason}); train again or"
            " copy the file again"
        ) from None
    return model.eval()
