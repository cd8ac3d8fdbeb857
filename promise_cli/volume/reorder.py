"""Reorder masks and label files whose axes are stored in another order or direction than those of their scan."""

from dataclasses import replace
from typing import Any

import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from promise_cli.geometry.grid import Grid, Shape
from promise_cli.volume.stored import Stored

REORDERED = (
    "its axes are stored in another order or direction; its affine says so, and its voxels were"
    " put into the order of the other file"
)
"""Note about a file that was reordered."""


def reorder(array: NDArray[Any], stored: Stored, wanted: Grid) -> tuple[NDArray[Any], Stored]:
    """Bring the voxels of a file into the order of another grid, if both grids hold the same voxels in space.

    Nothing is resampled: axes are only exchanged and flipped. If the grids are equal, or differ by more than the order
    of their axes, array and description are returned unchanged.

    Args:
        array: Voxels of the file, (I, J, K), with its axes in stored order.
        stored: Description of the file.
        wanted: Grid with the wanted order of axes.

    Returns:
        The voxels and the description of the file, in the new order.
    """
    if stored.grid.is_that_of(wanted):
        return array, stored
    axes = orientations.io_orientation(np.linalg.inv(wanted.affine) @ stored.grid.affine)
    if not np.isfinite(axes).all():
        return array, stored
    grid = _turned(stored.grid, axes)
    if not grid.is_that_of(wanted):
        return array, stored
    spacing = stored.header_spacing
    if spacing is not None:
        i, j, k = (spacing[int(place)] for place in np.argsort(axes[:, 0]))
        spacing = (i, j, k)
    turned = replace(stored, grid=grid, header_spacing=spacing, notes=(*stored.notes, REORDERED))
    return orientations.apply_orientation(array, axes), turned


def describe_turn(grid: Grid, wanted: Grid) -> str:
    """Ask whether a grid that differs from another was flipped or turned; an empty text if nothing points to it."""
    ours, theirs = ("".join(orientations.aff2axcodes(one.affine)) for one in (grid, wanted))
    if ours != theirs:
        return f"its axes point to {ours} instead of {theirs}: was it flipped or turned, or is it of another scan?"
    if grid.shape != wanted.shape and sorted(grid.shape) == sorted(wanted.shape):
        return "are its axes in another order?"
    return ""


def _turned(grid: Grid, axes: NDArray[np.float64]) -> Grid:
    i, j, k = (grid.shape[int(place)] for place in np.argsort(axes[:, 0]))
    shape: Shape = (i, j, k)
    return Grid(shape, grid.affine @ orientations.inv_ornt_aff(axes, grid.shape))
