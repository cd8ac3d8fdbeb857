"""What every network without a click encoder has in common: its patch, and how clicks may reach it. Without torch."""

from dataclasses import dataclass

SIGMA = 2.0
"""Voxels, of the Gaussian round a click; MONAI's `AddGuidanceSignal` has the same."""


@dataclass(frozen=True, kw_only=True)
class PlainConfig:
    """Of a network that turns an image into logits; each architecture adds its own sizes.

    Raises:
        ValueError: A size that does not fit.
    """

    patch_size: int
    """Edge of the cubic patch in voxels."""
    clicks_as_channel: bool = False
    """Whether foreground and background clicks enter as two further channels of the image."""
    click_sigma: float = SIGMA
    """Of a click's Gaussian, in voxels."""

    def __post_init__(self) -> None:
        if self.patch_size < 4 or self.patch_size % 4:
            raise ValueError(f"patch_size {self.patch_size} is not a positive multiple of 4")
        if not self.click_sigma > 0:
            raise ValueError(f"click_sigma must be positive, found {self.click_sigma}")

    @property
    def in_channels(self) -> int:
        """The image, and the two maps of clicks where they enter."""
        return 3 if self.clicks_as_channel else 1
