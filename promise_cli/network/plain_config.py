"""What every network without a click encoder has in common: its patch, and how clicks may reach it. Without torch."""

from dataclasses import dataclass
from typing import ClassVar

SIGMA = 2.0
"""Voxels, of the Gaussian round a click; MONAI's `AddGuidanceSignal` has the same."""


@dataclass(frozen=True, kw_only=True)
class PlainConfig:
    """Of a network that turns an image into logits; each architecture adds its own sizes.

    Raises:
        ValueError: A size that does not fit.
    """

    MULTIPLE: ClassVar[int] = 4
    """What the patch's edge must be a multiple of, where the sizes do not decide it."""
    LEAST: ClassVar[int] = 0
    """The smallest edge, where it is more than one multiple."""

    patch_size: int
    """Edge of the cubic patch in voxels."""
    clicks_as_channel: bool = False
    """Whether foreground and background clicks enter as two further channels of the image."""
    click_sigma: float = SIGMA
    """Of a click's Gaussian, in voxels."""

    def __post_init__(self) -> None:
        if self.patch_size < self.least or self.patch_size % self.multiple:
            raise ValueError(
                f"patch_size {self.patch_size}: this network takes multiples of {self.multiple}, from {self.least} on"
            )
        if not self.click_sigma > 0:
            raise ValueError(f"click_sigma must be positive, found {self.click_sigma}")

    @property
    def multiple(self) -> int:
        """What the patch's edge must be a multiple of, since it is halved so often."""
        return self.MULTIPLE

    @property
    def least(self) -> int:
        """The smallest edge that can be trained."""
        return max(self.LEAST, self.multiple)

    def check_counts(self, **counts: int | tuple[int, ...]) -> None:
        """Refuse sizes below 1, by name.

        Raises:
            ValueError: One is.
        """
        for name, found in counts.items():
            if min(found if isinstance(found, tuple) else (found,), default=0) < 1:
                raise ValueError(f"{name} must be at least 1, found {found}")

    @property
    def in_channels(self) -> int:
        """The image, and the two maps of clicks where they enter."""
        return 3 if self.clicks_as_channel else 1
