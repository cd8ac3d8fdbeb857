"""The common result of all readers: a scan of which only the header has been read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from promise_cli.errors import VolumeError
from promise_cli.geometry.grid import Grid, Shape, Spacing, format_shape, format_spacing
from promise_cli.volume.units import MILLIMETRE, Unit

SPACING_MM = (1e-3, 100.0)
"""Shortest and longest edge of a voxel in mm; outside of this range, the header's units must be wrong."""
FARTHEST_MM = 1e6
"""Largest distance of the first voxel from the origin. NIfTI's float32 numbers are too coarse for larger distances."""
LONGEST = 32767
"""Largest number of voxels along an axis that NIfTI, in which masks are written, can store."""
SPACING_TOLERANCE = 1e-3
"""Largest relative difference between the header's spacing and the affine's at which both count as the same."""
SHEAR_DEGREES = 0.05
"""Largest deviation from a right angle, in degrees, that gets no note. Rounding in the header causes as much."""

Load = Callable[[type[np.float32] | None], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Stored:
    """A scan or label before its voxels are read."""

    path: Path
    grid: Grid
    """Grid of the file, with its axes in stored order."""
    header: nib.Nifti1Header
    """Header that a mask on this grid is written with: the file's own, or one made for its grid."""
    dtype: np.dtype[Any]
    """Type of the voxels, after scaling if the header asks for it."""
    load: Load
    """Function that reads the voxels as float32, or as `dtype` if called with None.

    They are (I, J, K), or (C, I, J, K) if there are several channels.
    """
    notes: tuple[str, ...] = ()
    """Oddities that a user should know about but need not fix."""
    header_spacing: Spacing | None = None
    """Spacing in mm exactly as the header gives it; None stands for the grid's spacing."""
    unit: Unit = MILLIMETRE
    """Unit of the lengths in the file. `grid` and `header_spacing` are in mm."""
    channels: int = 1
    """Number of channels in the file."""


def spatial_shape(shape: Sequence[int], path: Path) -> Shape:
    """Return the three spatial axes of a shape whose other axes have one voxel each.

    Raises:
        VolumeError: The shape has fewer than three axes, or another axis has more than one voxel.
    """
    if len(shape) > 3 and all(n == 1 for n in shape[3:]):
        shape = shape[:3]
    if len(shape) != 3:
        raise VolumeError(
            f"{path}: expected a 3D scan with one channel, found {format_shape(shape)}; extract one volume"
        )
    return (int(shape[0]), int(shape[1]), int(shape[2]))


def split_channels(shape: Sequence[int], path: Path, *, several: bool) -> tuple[Shape, int]:
    """Return the three spatial axes of a shape, and the number of channels along its further axis.

    Args:
        shape: Number of voxels along each axis. The spatial axes come first.
        path: The file, for messages.
        several: Whether the file may hold more than one channel.

    Raises:
        VolumeError: The shape has fewer than three axes, more channels than allowed, or two further axes.
    """
    further = [int(n) for n in shape[3:] if n != 1]
    if not several or len(further) != 1:
        return spatial_shape(shape, path), 1
    return spatial_shape(shape[:3], path), further[0]


def stored_grid(shape: Shape, affine: ArrayLike, path: Path) -> Grid:
    """Return the grid of this shape and affine.

    Raises:
        VolumeError: An axis is empty or too long, the affine cannot be inverted, or the voxels have an impossible size
            or place.
    """
    if max(shape) > LONGEST:
        raise VolumeError(
            f"{path}: {format_shape(shape)} voxels, but an axis has at most {LONGEST}; repair the header"
        )
    try:
        grid = Grid(shape, np.asarray(affine, dtype=np.float64))
    except ValueError as error:
        raise VolumeError(f"{path}: {error}; repair the header") from None
    if not SPACING_MM[0] <= min(grid.spacing) <= max(grid.spacing) <= SPACING_MM[1]:
        raise VolumeError(
            f"{path}: a voxel size of {format_spacing(grid.spacing)} is impossible; correct the header's units"
        )
    far = float(np.abs(grid.affine[:3, 3]).max())
    if far > FARTHEST_MM:
        raise VolumeError(
            f"{path}: its first voxel lies {far:.3g} mm from the origin of the coordinates, which is impossible;"
            " correct the header"
        )
    return grid


def header_spacing(found: Spacing | None, grid: Grid) -> Spacing:
    """Return the header's spacing, or the affine's if the two differ by more than rounding.

    All published NSD values were computed with the header's spacing, which is float32 in NIfTI, widened to float64.
    If an NSD tolerance is a multiple of the spacing, the last bit of that number decides which distances are within it.

    Args:
        found: Spacing in mm along the file's axes as its header gives it; None if the header gives none.
        grid: Grid of the file.
    """
    if found and np.allclose(found, grid.spacing, rtol=SPACING_TOLERANCE, atol=0):
        return found
    return grid.spacing


def shear_note(grid: Grid) -> tuple[str, ...]:
    """Return a note with the angle if the grid's axes are not at right angles, otherwise nothing."""
    if grid.shear_degrees <= SHEAR_DEGREES:
        return ()
    return (
        f"axes differ from right angles by {grid.shear_degrees:.2f} degrees (a tilted gantry?); the affine is kept"
        " as it is",
    )


def header_for(grid: Grid) -> nib.Nifti1Header:
    """Return a NIfTI header, with scanner coordinates in mm, for a scan that is not NIfTI."""
    header = nib.Nifti1Image(np.empty((1, 1, 1), np.uint8), grid.affine).header
    header.set_data_shape(grid.shape)
    header.set_xyzt_units("mm")
    header.set_sform(grid.affine, 1)
    # A qform cannot store a shear, so only the sform is valid for sheared axes.
    header.set_qform(grid.affine, 0 if shear_note(grid) else 1)
    return header
