"""The settings of augmentation: which scheme, and the chances and ranges of the paper's augmentations."""

from dataclasses import dataclass
from typing import Literal, get_args

from promise_cli.errors import PlanError, did_you_mean
from promise_cli.network.ranges import check_range

Scheme = Literal["paper", "nnunet"]
SCHEMES: tuple[str, ...] = get_args(Scheme)
"""Values of `--augmentation`."""


def check_scheme(name: str) -> None:
    """Refuse an unknown scheme of augmentation.

    Raises:
        PlanError: No scheme has this name.
    """
    if name not in SCHEMES:
        near = did_you_mean(name, SCHEMES)
        raise PlanError(f"--augmentation {name}: unknown; use one of {', '.join(SCHEMES)}{near}")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Chances and ranges of the augmentations: flip, rotation, zoom and intensity shift (paper, section 3)."""

    flip_chance: float = 0.5
    """Chance of a flip, drawn for each axis separately."""
    rotate_chance: float = 0.3
    """Chance of a rotation by a random angle in the axial plane (i, j)."""
    max_degrees: float = 30.0
    """Largest angle of that rotation in either direction, in degrees."""
    quarter_turn_chance: float = 0.5
    """Chance of a rotation by 90, 180 or 270 degrees."""
    quarter_turn_plane: Literal["ij", "jk", "ik"] = "ij"
    """Plane of the rotations by multiples of 90 degrees: the axial plane ij (the authors' code: jk)."""
    zoom_chance: float = 0.3
    """Chance of a zoom in the axial plane (i, j)."""
    zoom_range: tuple[float, float] = (0.9, 1.1)
    """Smallest and largest magnification, drawn for i and j separately."""
    shift_chance: float = 0.5
    """Chance of an intensity shift."""
    max_shift_hu: float = 20.0
    """Largest intensity shift in either direction, in HU. In a scan without HU, 64 HU stand for one standard deviation
    of its intensities."""

    def __post_init__(self) -> None:
        for name in ("flip", "rotate", "quarter_turn", "zoom", "shift"):
            check_range(f"{name}_chance", getattr(self, f"{name}_chance"), 0, 1)
        check_range("max_degrees", self.max_degrees, 0, 180)
        check_range("max_shift_hu", self.max_shift_hu, 0, 1e4)
        least, most = self.zoom_range
        if not 0.25 <= least <= most <= 4:
            raise ValueError(
                f"zoom_range must be two rising numbers from 0.25 to 4, found {self.zoom_range}"
            )
