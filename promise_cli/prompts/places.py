"""Convert clicks to voxels, and word the errors for clicks outside their scan and for cases without a scan."""

import difflib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from promise_cli.errors import PromptError, shorten
from promise_cli.geometry.grid import LPS_FROM_RAS, Grid, format_shape
from promise_cli.prompts.click import SPACES, Click, Space, check_number

MOST_HINTS = 20
"""Largest number of cases that get a hint.

A case without a scan gets similar names, which take long to find. A case with hidden points or points that do not count
gets a line that says how many count.
"""
_TIE = 1e-6
"""Tolerance in voxels for clicks on the border of two voxels.

Such a click belongs to the upper voxel, even if rounded millimetres put it slightly below the border.
"""


def voxel_of(point: ArrayLike, space: Space, stored: Grid) -> NDArray[np.float64]:
    """Convert a point to a fractional voxel index (i, j, k) of the scan's file.

    Args:
        point: Three coordinates in `space`.
        space: Coordinate system of the point.
        stored: Grid of the scan's file.

    Raises:
        ValueError: The coordinate system is unknown.
    """
    if space not in SPACES:
        raise ValueError(f"unknown space {space!r}; use one of {', '.join(SPACES)}")
    given = np.asarray(point, dtype=np.float64)
    if space == "voxel":
        return given
    if space == "voxel_zyx":
        return given[::-1].copy()
    with np.errstate(all="ignore"):  # a point that overflows counts as outside the scan
        return stored.ijk(given * LPS_FROM_RAS if space == "LPS" else given)


def point_of(ijk: ArrayLike, space: Space, stored: Grid) -> NDArray[np.float64]:
    """Convert a voxel index (i, j, k) of the scan's file to a point in `space`. This is the inverse of `voxel_of`."""
    index = np.asarray(ijk, dtype=np.float64)
    if space == "voxel":
        return index
    if space == "voxel_zyx":
        return index[::-1].copy()
    world = stored.world(index)
    return world * LPS_FROM_RAS if space == "LPS" else world


def nearest_voxel(point: ArrayLike, space: Space, stored: Grid) -> tuple[int, int, int] | None:
    """Find the voxel (i, j, k) of the scan's file that holds a point; None if the point lies outside the scan."""
    nearest = _nearest(voxel_of(point, space, stored))
    if not (np.all(nearest >= 0) and np.all(nearest < np.array(stored.shape))):
        return None
    i, j, k = (int(index) for index in nearest)
    return i, j, k


def locate_clicks(
    clicks: Iterable[Click], stored: Grid, grid: Grid, where: str
) -> NDArray[np.int64]:
    """Convert clicks on a scan to voxel indices on a grid.

    Args:
        clicks: At least one click. Each has its own coordinate system.
        stored: Grid of the scan's file.
        grid: Grid of the result. It must cover the same extent as `stored`.
        where: Name of the case in error messages.

    Returns:
        Indices of the nearest voxels of `grid`, (N, 3).

    Raises:
        PromptError: A click lies outside the scan, or there are too many.
    """
    clicks = tuple(clicks)
    check_number(len(clicks), where)
    found = []
    for click in clicks:
        voxel = nearest_voxel(click.point, click.space, stored)
        if voxel is None:
            raise PromptError(f"{where}: {_outside(click, stored)}")
        ijk = _nearest(grid.ijk(stored.world(voxel))).astype(np.int64)
        found.append(np.clip(ijk, 0, np.array(grid.shape) - 1))
    return np.stack(found)


def other_readings(click: Click, stored: Grid) -> dict[Space, tuple[int, int, int] | None]:
    """Find the voxels that a click's three numbers would mean in each other coordinate system.

    Returns:
        The voxel (i, j, k) of the scan's file by coordinate system; None where it lies outside the scan.
    """
    return {
        space: nearest_voxel(click.point, space, stored) for space in SPACES if space != click.space
    }


def format_point(point: Iterable[float]) -> str:
    """Format coordinates for messages, such as `(12, 40.5, 7)`."""
    return f"({', '.join(f'{value:zg}' for value in point)})"


def unknown_case(path: Path, case: str, known: Iterable[str], folder: Path) -> str:
    """Return the error message for a case of the click file that has no scan."""
    hint = near_names(case, known)
    return f"{path}: case {shorten(case)} has no scan in {folder}{hint}; correct the name or add the scan"


def near_names(case: str, known: Iterable[str]) -> str:
    """Suggest similar case ids as `; nearest names: ...`. Return an empty string if none is similar."""
    near = difflib.get_close_matches(case, list(known), n=3, cutoff=0.3)
    return f"; nearest names: {', '.join(near)}" if near else ""


def _nearest(ijk: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to whole voxels. A half is rounded up, as people expect; numpy would round it to the even number."""
    return np.floor(ijk + (0.5 + _TIE))


def _outside(click: Click, stored: Grid) -> str:
    """Return the error message for a click outside its scan.

    It says which voxel the click would be in each other coordinate system.
    """
    given = format_point(click.point)
    if click.space == "voxel":
        place = f"click {given} lies outside"
    else:
        meant = format_point(_nearest(voxel_of(click.point, click.space, stored)))
        place = f"click {given} {click.space} is voxel {meant}, outside"
    others = []
    for space, voxel in other_readings(click, stored).items():
        there = _nearest(voxel_of(click.point, space, stored)) if voxel is None else voxel
        side = "outside" if voxel is None else "inside"
        others.append(f"as {space} it would be voxel {format_point(there)}, {side}")
    return (
        f"{place} the scan of {format_shape(stored.shape)} voxels; {'; '.join(others)};"
        " correct the click or its coordinate system (voxels count from 0)"
    )
