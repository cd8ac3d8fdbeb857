"""Convert the records of checkpoints that earlier versions wrote."""

from pathlib import Path
from typing import Any

from promise_cli.errors import CheckpointError

_REMOVED = {"click_position": False, "label_embedding": False, "adapter_update": "rectified"}
"""Network options that existed in earlier versions, and the value with which each had no effect."""
_LAST_COMMIT_WITH_THEM = "3ec6e48"


def convert_jitter(train_config: Any, plan: Any) -> None:
    """Convert `centre_jitter` of older files from voxels to a share of the patch's edge, in place.

    A share is always below 0.5, so a whole number from 1 on is a number of voxels.
    """
    if isinstance(train_config, dict) and isinstance(plan, dict):
        jitter, edge = train_config.get("centre_jitter", 0), plan.get("patch_size")
        if isinstance(jitter, int) and isinstance(edge, int) and 1 <= jitter < edge / 2:
            train_config["centre_jitter"] = jitter / edge


def drop_removed_options(model_config: Any, path: Path) -> None:
    """Drop the fields of removed options from a stored network config, in place.

    Raises:
        CheckpointError: The network uses one of these options, so it cannot be built any more.
    """
    if not isinstance(model_config, dict):
        return
    for name, idle in _REMOVED.items():
        value = model_config.pop(name, idle)
        if value != idle:
            raise CheckpointError(
                f"{path}: the network uses {name}={value}, an option that was removed; use promise_cli at commit"
                f" {_LAST_COMMIT_WITH_THEM}, or train again without the option"
            )
