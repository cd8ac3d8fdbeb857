"""What each rival declares so that it can be trained: its config, its sizes for a dataset, and how it is built."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from promise_cli.geometry.grid import Spacing
from promise_cli.network.plain_config import PlainConfig

NUM_CLASSES = 2
"""Output channels of every network: background and foreground."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The dataset and the options for which a network's sizes are planned."""

    patch_size: int
    """Wanted edge of the cubic patch, in voxels. Networks round it up to an edge that they can halve often enough."""
    spacing: Spacing
    """Voxel spacing of the plan along i, j and k, in mm."""
    small: bool
    """Whether a small network for a laptop is wanted (preset `tiny`)."""
    channels: int = 1
    """Channels of the image."""
    clicks_as_channel: bool = False
    """Whether foreground and background clicks enter as two further channels of the image."""

    def shared(self, multiple: int, least: int | None = None) -> dict[str, Any]:
        """Return the values of the fields that every `PlainConfig` has.

        Args:
            multiple: The patch's edge is rounded up to a multiple of this, in voxels.
            least: Smallest edge of the patch, in voxels. None means one multiple.
        """
        edge = math.ceil(max(self.patch_size, least or multiple) / multiple) * multiple
        return {
            "patch_size": edge,
            "channels": self.channels,
            "clicks_as_channel": self.clicks_as_channel,
        }


@dataclass(frozen=True)
class Architecture:
    """A network other than ProMISe: its name, its config, and how it is planned and built."""

    name: str
    """Name of the network on the command line (`--network`)."""
    config_type: type[PlainConfig]
    """Class of the record that holds the network's sizes."""
    plan: Callable[[Setting], PlainConfig]
    """Function that chooses the network's sizes for a dataset."""
    build: Callable[[Any], nn.Module]
    """Function that builds the network from its config, with random weights. The network turns an image
    `(B, in_channels, I, J, K)` into logits `(B, 2, I, J, K)`."""
