"""What one architecture has to say to be trained here: its sizes for a dataset, and how it is built from them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from promise_cli.geometry.grid import Spacing
from promise_cli.network.plain_config import PlainConfig

NUM_CLASSES = 2
"""Background and foreground, as everywhere here."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a network's sizes are chosen for."""

    patch_size: int
    """Edge in voxels that is wanted; a network rounds it up to what it can halve."""
    spacing: Spacing
    """Of the plan, in mm."""
    small: bool
    """A small network for a laptop, as the preset `tiny` is one."""
    clicks_as_channel: bool = False

    def shared(self, multiple: int, least: int | None = None) -> dict[str, Any]:
        """The fields of `PlainConfig`, with the patch rounded up to a multiple, and not below `least`."""
        edge = math.ceil(max(self.patch_size, least or multiple) / multiple) * multiple
        return {"patch_size": edge, "clicks_as_channel": self.clicks_as_channel}


@dataclass(frozen=True)
class Architecture:
    """One network by name."""

    name: str
    """As `--network` takes it."""
    config_type: type[PlainConfig]
    plan: Callable[[Setting], PlainConfig]
    """Sizes for a dataset."""
    build: Callable[[Any], nn.Module]
    """From its config: `(B, in_channels, I, J, K)` to logits `(B, 2, I, J, K)`, with random weights."""
