"""The part of the config that all rivals share: the patch, and how clicks enter. This module does not import torch."""

from dataclasses import dataclass
from typing import ClassVar

MOST_CHANNELS, MOST_SIGMA = 2048, 512
"""Largest number of channels, and largest standard deviation of the Gaussian around a click, in voxels."""
MOST_IMAGE_CHANNELS = 64
"""Largest number of channels of the image."""
SIGMA = 2.0
"""Default standard deviation of the Gaussian around a click, in voxels, as in MONAI's `AddGuidanceSignal`."""


@dataclass(frozen=True, kw_only=True)
class PlainConfig:
    """Config of a rival, a network that turns an image into logits. Each architecture adds its own sizes.

    Raises:
        ValueError: The patch size does not suit the network, or the Gaussian's width is not positive.
    """

    MULTIPLE: ClassVar[int] = 4
    """The patch's edge must be a multiple of this, in voxels. A network in which it depends on
    other sizes overrides `multiple`."""
    LEAST: ClassVar[int] = 0
    """Smallest edge of the patch, in voxels, if it is larger than `MULTIPLE`."""

    patch_size: int
    """Edge of the cubic patch in voxels."""
    channels: int = 1
    """Channels of the image, without the maps of the clicks."""
    clicks_as_channel: bool = False
    """Whether foreground and background clicks enter as two further channels of the image."""
    click_sigma: float = SIGMA
    """Standard deviation of the Gaussian around a click, in voxels."""

    def __post_init__(self) -> None:
        if self.patch_size < self.least or self.patch_size % self.multiple:
            raise ValueError(
                f"patch_size {self.patch_size}: this network takes multiples of {self.multiple}, at least {self.least}"
            )
        if not 1 <= self.channels <= MOST_IMAGE_CHANNELS:
            raise ValueError(
                f"channels must be from 1 to {MOST_IMAGE_CHANNELS}, found {self.channels}"
            )
        if not 0 < self.click_sigma <= MOST_SIGMA:
            raise ValueError(
                f"click_sigma must be positive and at most {MOST_SIGMA}, found {self.click_sigma}"
            )

    @property
    def multiple(self) -> int:
        """The patch's edge must be a multiple of this, in voxels, so that the network can halve it at every level."""
        return self.MULTIPLE

    @property
    def least(self) -> int:
        """Smallest edge of the patch with which the network can be trained, in voxels."""
        return max(self.LEAST, self.multiple)

    def check_counts(self, **counts: int | tuple[int, ...]) -> None:
        """Refuse sizes below 1 or above `MOST_CHANNELS`.

        Args:
            counts: Sizes by the name of their field.

        Raises:
            ValueError: A size is outside of this range. The message names its field.
        """
        for name, found in counts.items():
            if min(found if isinstance(found, tuple) else (found,), default=0) < 1:
                raise ValueError(f"{name} must be at least 1, found {found}")
            if max(found if isinstance(found, tuple) else (found,)) > MOST_CHANNELS:
                raise ValueError(f"{name} must be at most {MOST_CHANNELS}, found {found}")

    @property
    def in_channels(self) -> int:
        """Input channels: those of the image, and one map each of foreground and background clicks if clicks enter."""
        return self.channels + (2 if self.clicks_as_channel else 0)
