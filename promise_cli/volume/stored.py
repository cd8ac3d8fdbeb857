"""The common result of all readers: a scan as stored, of which only the header has been read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from promise_cli.errors import VolumeError
from promise_cli.geometry.grid import Grid, Shape, Spacing, format_shape, format_spacing

SPACING_MM = (1e-3, 100.0)
"""What a voxel's edge may measure; beyond, the header's units are wrong."""
LONGEST = 32767
"""Voxels of an axis, as NIfTI counts, in which masks are written."""
SPACING_TOLERANCE = 1e-3
"""Largest relative difference between the header's spacing and the affine's at which both count as the same."""
SHEAR_DEGREES = 0.05
"""Axes that miss the right angle by more are worth a note; below, it is the header's rounding."""

Load = Callable[[type[np.float32] | None], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Stored:
    """A scan or label before its voxels are read."""

    path: Path
    grid: Grid
    """Grid of the file, with its axes in stored order."""
    header: nib.Nifti1Header
    """The file's own, or one made for its grid: what a mask on this grid is written with."""
    dtype: np.dtype[Any]
    """Type of the voxels, after scaling where the header asks for it."""
    load: Load
    """Reads the voxels (I, J, K): as float32, or for None as `dtype`."""
    notes: tuple[str, ...] = ()
    """Oddities that a user should know of but need not fix."""
    header_spacing: Spacing | None = None
    """Spacing in mm from the header, to the last bit; None where it is that of the grid."""


def spatial_shape(shape: Sequence[int], path: Path) -> Shape:
    """The three axes of space, where all others have one voxel."""
    if len(shape) > 3 and all(n == 1 for n in shape[3:]):
        shape = shape[:3]
    if len(shape) != 3:
        raise VolumeError(
            f"{path}: expected a 3D scan with one channel, found {format_shape(shape)}; extract one volume"
        )
    return (int(shape[0]), int(shape[1]), int(shape[2]))


def stored_grid(shape: Shape, affine: ArrayLike, path: Path) -> Grid:
    """The grid, if it can be one.

    Raises:
        VolumeError: It has no volume, or voxels of an impossible size.
    """
    if max(shape) > LONGEST:
        raise VolumeError(
            f"{path}: {format_shape(shape)} voxels; an axis of more than {LONGEST} cannot be, repair the header"
        )
    try:
        grid = Grid(shape, np.asarray(affine, dtype=np.float64))
    except ValueError as error:
        raise VolumeError(f"{path}: {error}; repair the header") from None
    if not SPACING_MM[0] <= min(grid.spacing) <= max(grid.spacing) <= SPACING_MM[1]:
        raise VolumeError(
            f"{path}: voxels of {format_spacing(grid.spacing)}, which cannot be; correct the header's units"
        )
    return grid


def header_spacing(found: Spacing | None, grid: Grid) -> Spacing:
    """The header's spacing, as all published NSD values took it: in NIfTI float32, widened to float64.

    A tolerance that is a multiple of the spacing is met or missed by the last bit of that number.
    Where the header contradicts the affine by more than rounding, the affine is believed.

    Args:
        found: mm along the file's axes as its header has it; None where it has none.
        grid: Grid of the file.
    """
    if found and np.allclose(found, grid.spacing, rtol=SPACING_TOLERANCE, atol=0):
        return found
    return grid.spacing


def shear_note(grid: Grid) -> tuple[str, ...]:
    """Says that axes are not at right angles, with the angle, where they are not."""
    if grid.shear_degrees <= SHEAR_DEGREES:
        return ()
    return (
        f"axes miss the right angle by {grid.shear_degrees:.2f} degrees (a tilted gantry?); the affine is kept"
        " as it is",
    )


def header_for(grid: Grid) -> nib.Nifti1Header:
    """A NIfTI header for a scan that is not NIfTI: scanner coordinates in millimetres."""
    header = nib.Nifti1Image(np.empty((1, 1, 1), np.uint8), grid.affine).header
    header.set_data_shape(grid.shape)
    header.set_xyzt_units("mm")
    header.set_sform(grid.affine, 1)
    # A qform holds no shear: where the axes are sheared, only the sform is right.
    header.set_qform(grid.affine, 0 if shear_note(grid) else 1)
    return header
