"""What a person points at: clicks, each in a coordinate system of its own, and the lesion that they mean."""

from dataclasses import dataclass
from typing import Literal, get_args

Space = Literal["voxel", "voxel_zyx", "LPS", "RAS"]
"""`voxel` (i, j, k) of the file, `voxel_zyx` (k, j, i) as SimpleITK's arrays count, `LPS` and `RAS` in mm."""

SPACES: tuple[Space, ...] = get_args(Space)

FOREGROUND, BACKGROUND, PADDING = 1, 0, -1
"""Signs of clicks; a padding click fills a batch up and counts as absent."""

MAX_VALUE = 255
"""The largest value that a mask of uint8 can hold."""


@dataclass(frozen=True)
class Lesion:
    """One thing to outline in a scan."""

    value: int = 1
    """Of its voxels in the mask; two lesions may share one."""
    name: str = ""
    number: int = 1
    """Which one of its case, counted from 1."""


ONE_LESION = Lesion()
"""What clicks mean that name nothing."""


@dataclass(frozen=True)
class Click:
    """One point that a person set."""

    point: tuple[float, float, float]
    """As given; a voxel index counts from 0 in the file as it is stored."""
    sign: int = FOREGROUND
    space: Space = "voxel"
    lesion: Lesion = ONE_LESION


def lesions(clicks: tuple[Click, ...]) -> dict[Lesion, tuple[Click, ...]]:
    """The clicks of each lesion, in the order of the file."""
    found: dict[Lesion, tuple[Click, ...]] = {}
    for click in clicks:
        found[click.lesion] = (*found.get(click.lesion, ()), click)
    return found
