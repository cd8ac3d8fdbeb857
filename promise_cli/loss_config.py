"""How the loss is put together: plain numbers, without torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights and options of `losses.total_loss`; the defaults are the paper's (section 2).

    Raises:
        ValueError: A negative weight, or a kernel without a centre.
    """

    dice_weight: float = 1.0
    """Of the soft Dice loss."""
    cross_entropy_weight: float = 1.0
    """Of the cross-entropy."""
    boundary_weight: float = 10.0
    """Of the boundary-aware loss; 0 leaves it out."""
    boundary_kernel: tuple[int, int, int] = (5, 5, 5)
    """Voxels along i, j, k that boundary maps average over; the authors' code takes 1, 5, 5."""
    boundary_border: Literal["ignored", "counted"] = "ignored"
    """`counted` averages over zeros outside the patch too, as the authors' code does."""
    boundary_channels: Literal["foreground", "both"] = "foreground"
    """`both` also compares the background's boundary map, as the authors' code does."""
    boundary_without_foreground: bool = False
    """Also where a patch holds no foreground; the authors' code leaves the boundary out there."""

    def __post_init__(self) -> None:
        weights = (self.dice_weight, self.cross_entropy_weight, self.boundary_weight)
        if min(weights) < 0:
            raise ValueError(f"the loss weights {weights} must not be negative")
        if any(edge < 1 or edge % 2 == 0 for edge in self.boundary_kernel):
            raise ValueError(f"boundary_kernel {self.boundary_kernel} must have odd edges")

    @classmethod
    def reference(cls) -> "LossConfig":
        """What the authors' code does.

        It pools (5, 5, 1) over arrays (D, H, W), which are our k, j, i.
        """
        return cls(
            dice_weight=0.5,
            cross_entropy_weight=0.5,
            boundary_weight=10.0,
            boundary_kernel=(1, 5, 5),
            boundary_border="counted",
            boundary_channels="both",
        )
