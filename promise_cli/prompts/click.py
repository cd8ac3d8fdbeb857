"""A click: a point in one of four coordinate systems, its sign, and the lesion that it belongs to."""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from promise_cli.console import counted
from promise_cli.errors import PromptError, shown

Space = Literal["voxel", "voxel_zyx", "LPS", "RAS"]
"""Coordinate system: `voxel` (i, j, k), `voxel_zyx` (k, j, i) as in SimpleITK's arrays, `LPS` or `RAS` in mm."""

SPACES: tuple[Space, ...] = get_args(Space)

FOREGROUND, BACKGROUND, PADDING = 1, 0, -1
"""Signs of clicks. Padding clicks fill up a batch, and networks ignore them."""

MOST_CLICKS = 1000
"""Largest number of clicks on one scan."""
MOST_CASES = 100_000
"""Largest number of cases in one click file."""
MAX_VALUE = 255
"""Largest voxel value of a uint8 mask."""


@dataclass(frozen=True)
class Lesion:
    """Object that the user wants outlined in a scan."""

    value: int = 1
    """Value of this lesion's voxels in the mask. Two lesions may share a value."""
    name: str = ""
    number: int = 1
    """Position of this lesion among those of its case, counted from 1."""
    object_hint: str = field(default="", compare=False, repr=False)
    """What the file says besides: an explicit value, or the name of its only point list. Networks for several objects
    use it to find the object; nothing else depends on it."""


ONE_LESION = Lesion()
"""Lesion of clicks whose file does not name one."""


@dataclass(frozen=True)
class Click:
    """Point that a person placed in a scan.

    Raises:
        PromptError: The point is not three finite numbers.
    """

    point: tuple[float, float, float]
    """Three coordinates in `space`, as given. Voxel indices are counted from 0 along the axes of the stored file."""
    sign: int = FOREGROUND
    space: Space = "voxel"
    lesion: Lesion = ONE_LESION

    def __post_init__(self) -> None:
        found = ""
        try:
            sound = len(self.point) == 3 and all(math.isfinite(value) for value in self.point)
            if len(self.point) != 3:
                found = f"has {counted(len(self.point), 'number')}, but "
        except TypeError:
            sound = False
        if not sound:
            raise PromptError(
                f"click {shown(self.point)}: {found}a click is three finite numbers, such as the voxel (256, 301, 42)"
            )


def lesions(clicks: tuple[Click, ...]) -> dict[Lesion, tuple[Click, ...]]:
    """Group clicks by lesion, in the order of the file."""
    found: dict[Lesion, list[Click]] = {}
    for click in clicks:
        found.setdefault(click.lesion, []).append(click)
    return {lesion: tuple(its) for lesion, its in found.items()}


def check_cases(number: int, where: str) -> None:
    """Refuse a file of more cases than any folder of scans has.

    Raises:
        PromptError: There are more than `MOST_CASES`.
    """
    if number > MOST_CASES:
        raise PromptError(
            f"{where}: clicks for more than {MOST_CASES} cases; is this a file of clicks? Split it if it is"
        )


def check_number(number: int, where: str) -> None:
    """Refuse more clicks on one scan than a network can compare with all voxels.

    Raises:
        PromptError: There are more than `MOST_CLICKS`.
    """
    if number > MOST_CLICKS:
        raise PromptError(
            f"{where}: more than {MOST_CLICKS} clicks on one scan; is this a file of clicks? A few on each lesion are"
            " enough"
        )
