"""A trained network in one file: weights, the dimensions to rebuild it, the plan, and the state to go on from.

Only tensors and plain types are stored, and files are read with `weights_only=True`: a checkpoint from elsewhere
cannot run code.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from promise_cli import __version__
from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Split
from promise_cli.disk.atomic import whole_file
from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.errors import CheckpointError, PlanError
from promise_cli.network.authors import published_plan
from promise_cli.network.promise.reference import (
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
    """What a file holds."""

    model_config: NetworkConfig
    train_config: TrainConfig
    plan: Plan
    """With the patch size that the network was trained with."""
    preset: str
    fold: int
    split: Split
    """The cases of the fold."""
    seed: int
    encoder_weights: str
    """Where the encoder's pretrained weights came from (name and sha256), or `none`."""
    epoch: int
    """Epochs done."""
    validation_dice: float | None
    """Of this network, None where it was not validated."""
    best_dice: float | None
    """The best validation Dice so far."""
    weights: dict[str, Tensor]
    step: int = 0
    """Steps of the optimiser done in the epoch after that."""
    sums: dict[str, float] = field(default_factory=dict)
    """What the log adds up over these steps."""
    samples_per_step: int = 1
    """Of all devices and batches together."""
    optimizer: dict[str, Any] = field(default_factory=dict)
    """Empty in a checkpoint that is only for prediction."""
    log: list[dict[str, Any]] = field(default_factory=list)
    """A row for each epoch, as log.csv has them."""
    network: str = PROMISE
    """Which architecture `model_config` sizes."""


_RECORDS: dict[str, Any] = {
    "train_config": TrainConfig,
    "plan": Plan,
    "split": Split,
}
_PLAIN: dict[str, tuple[type, ...]] = {
    "preset": (str,),
    "fold": (int,),
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
}
"""Left out in earlier files, where they had their defaults; before version 3 all networks were ProMISe."""


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, whole or not at all; the previous file stays until the new one is complete.

    Raises:
        CheckpointError: It cannot be written, for want of space or rights.
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
    except (OSError, RuntimeError) as error:  # torch's writer raises the latter on a full disk
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        kept, then = (
            ("the checkpoint before is kept", "go on with --resume")
            if path.exists()
            else ("there is none before it", "start again")
        )
        raise CheckpointError(
            f"{path}: cannot be written ({reason}); {kept}: check free space and permissions, then {then}"
        ) from None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote, or a checkpoint that the paper's authors published, on the CPU.

    Raises:
        CheckpointError: The file is missing, truncated, holds code, or is no checkpoint of this tool.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; train one with promise-train --fold 0")
    if is_reference_checkpoint(path):
        return _load_published(path)
    content = read_checkpoint(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: no checkpoint of promise-train; give its checkpoint_final.pt or checkpoint_best.pt"
        )
    if content.get("format_version") not in READABLE_VERSIONS:
        *older, newest = map(str, READABLE_VERSIONS)
        readable = f"{', '.join(older)} and {newest}"
        raise CheckpointError(
            f"{path}: format version {content.get('format_version')}, this version reads {readable};"
            f" it was written by promise_cli {content.get('promise_cli')}"
        )
    try:
        _without_removed(content.get("model_config"), path)
        _jitter_as_share(content.get("train_config"), content.get("plan"))
        kinds = {"model_config": _config_type(content, path), **_RECORDS}
        records = {
            name: record_from_json(kind, content[name], f"{path}: {name}")
            for name, kind in kinds.items()
        }
        plain = _PLAIN | {name: kind for name, kind in _ADDED.items() if name in content}
        for name, kind in plain.items():
            if not isinstance(content[name], kind):
                raise CheckpointError(
                    f"{path}: {name} is of type {type(content[name]).__name__}; train or copy it again"
                )
        return Checkpoint(**records, **{name: content[name] for name in plain})
    except KeyError as error:
        raise CheckpointError(f"{path}: lacks {error}; train or copy it again") from None
    except PlanError as error:
        raise CheckpointError(str(error)) from None


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


def _jitter_as_share(train_config: Any, plan: Any) -> None:
    """Earlier versions wrote `centre_jitter` in voxels; no share of the patch's edge reaches 1."""
    if isinstance(train_config, dict) and isinstance(plan, dict):
        jitter, edge = train_config.get("centre_jitter", 0), plan.get("patch_size")
        if isinstance(jitter, int) and isinstance(edge, int) and 1 <= jitter < edge / 2:
            train_config["centre_jitter"] = jitter / edge


_REMOVED = {"click_position": False, "label_embedding": False, "adapter_update": "rectified"}
"""Options of the network that earlier versions had, and the value at which they did nothing."""
_LAST_COMMIT_WITH_THEM = "3ec6e48"


def _without_removed(model_config: Any, path: Path) -> None:
    """Drop the fields of removed options from a stored configuration.

    Raises:
        CheckpointError: The network was made with one of these options, so that it cannot be built any more.
    """
    if not isinstance(model_config, dict):
        return
    for name, idle in _REMOVED.items():
        value = model_config.pop(name, idle)
        if value != idle:
            raise CheckpointError(
                f"{path}: its network has {name}={value}, an option that was removed; use promise_cli as of commit"
                f" {_LAST_COMMIT_WITH_THEM}, or train again without it"
            )


def _config_type(content: dict[str, Any], path: Path) -> Any:
    name = content.get("network", PROMISE)
    try:
        return config_type(name)
    except PlanError:
        raise CheckpointError(
            f"{path}: network {name!r} is unknown to this version of promise_cli; the file was written by"
            f" {content.get('promise_cli')}: use that version"
        ) from None


def build_model(checkpoint: Checkpoint, path: Path) -> Network:
    """The network of a checkpoint, with its weights, in evaluation mode.

    Raises:
        CheckpointError: Names or shapes of weights differ from those of the network.
    """
    model = build_network(checkpoint.network, checkpoint.model_config)
    try:
        model.load_state_dict(checkpoint.weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{path}: weights of another network ({reason})") from None
    return model.eval()
