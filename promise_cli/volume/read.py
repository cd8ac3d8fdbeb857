"""Scans and labels in one axis order, and what undoes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from promise_cli.errors import PromiseError, VolumeError
from promise_cli.geometry.grid import Grid, Spacing
from promise_cli.volume.names import FORMATS, SUFFIXES, case_id
from promise_cli.volume.nifti import open_nifti
from promise_cli.volume.stored import Stored, header_spacing

Orientation = Literal["RAS", "as_stored"]

ROUNDING = 1e-4
"""How far a label's value may lie from a whole number."""


@dataclass(frozen=True, eq=False)
class Volume:
    """An array on a grid, and where it came from."""

    array: NDArray[Any]
    """(I, J, K)."""
    grid: Grid
    """Grid of `array`, in the requested orientation."""
    stored_grid: Grid
    """Grid of the file, in its own axis order."""
    axes: NDArray[np.float64]
    """nibabel's orientation transform (3, 2): from the file's axes to those of `array`."""
    header: nib.Nifti1Header
    """The file's header, or one made for its grid where the file is no NIfTI."""
    notes: tuple[str, ...] = ()
    """Oddities of the file's geometry that need no fix."""
    header_spacing: Spacing | None = None
    """mm along the file's axes as its header has it, to the last bit; None: `stored_grid.spacing`."""

    @property
    def exact_spacing(self) -> Spacing:
        """Mm along the file's axes: the header's numbers, where the affine does not contradict them."""
        return header_spacing(self.header_spacing, self.stored_grid)

    def without_array(self) -> "Volume":
        """What is needed to write on this grid, without the voxels' memory."""
        return replace(self, array=np.empty(0, self.array.dtype))


def open_stored(path: Path) -> Stored:
    """Read a file's header.

    Raises:
        VolumeError: The file is missing, unreadable, not 3D, or its geometry cannot be; so does the load that is
            returned.
    """
    if not path.exists():
        raise VolumeError(f"{path}: no such file")
    with _told(path):
        stored = _open(path)

    def load(dtype: type[np.float32] | None) -> NDArray[Any]:
        with _told(path):
            return stored.load(dtype)

    return replace(stored, load=load)


def _open(path: Path) -> Stored:
    name = path.name.lower()
    if path.is_dir():
        from promise_cli.volume.dicom import open_dicom  # noqa: PLC0415  NIfTI needs no SimpleITK

        return open_dicom(path)
    if name.endswith((".nii.gz", ".nii")):
        return open_nifti(path)
    if name.endswith(SUFFIXES):
        from promise_cli.volume.itk import open_itk  # noqa: PLC0415

        return open_itk(path)
    raise VolumeError(f"{path}: not a scan; scans and labels end in {FORMATS}")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn any error that a library raises about a file into one line that names the file."""
    try:
        yield
    except (PromiseError, MemoryError):
        raise
    except OSError as error:
        raise VolumeError(
            f"{path}: {error.strerror or error}; check its permissions and the disk"
        ) from None
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise VolumeError(f"{path}: not readable ({reason}); copy or export it again") from error


def read_grid(path: Path) -> Grid:
    """The grid of a file as stored, from its header alone."""
    return open_stored(path).grid


def read_volume(
    path: Path, orientation: Orientation = "RAS", *, keep_integers: bool = False
) -> Volume:
    """Read a scan's intensities.

    Args:
        path: A file, or a folder of DICOM slices.
        orientation: Axis order of the array.
        keep_integers: Leave whole numbers as the file stores them, which takes half the memory; otherwise, and for
            all others, the array is float32.

    Raises:
        VolumeError: The file is missing, unreadable, truncated, not 3D, or holds NaN or infinity.
    """
    stored = open_stored(path)
    whole = keep_integers and stored.dtype.kind in "iu"
    array = stored.load(None if whole else np.float32)
    bad = 0 if whole else count_odd(array)
    if bad:
        raise VolumeError(
            f"{path}: {bad} voxels are NaN or infinite; repair or leave out this scan"
        )
    return _oriented(array, stored, orientation)


def is_oriented(volume: Volume, orientation: Orientation) -> bool:
    """Whether a volume was read with this orientation."""
    wanted = volume.stored_grid.affine if orientation == "RAS" else np.eye(4)
    return bool(np.array_equal(volume.axes, orientations.io_orientation(wanted)))


def count_odd(array: NDArray[Any]) -> int:
    """How many voxels are NaN or infinite; plane by plane, since a mask of all would be another volume."""
    if array.dtype.kind != "f":
        return 0
    planes = array.T if array.flags.f_contiguous else array
    return sum(int(plane.size - np.count_nonzero(np.isfinite(plane))) for plane in planes)


def read_label(path: Path, orientation: Orientation = "RAS", like: Volume | None = None) -> Volume:
    """Read a label or mask as whole numbers, without a float copy where the file stores integers.

    Args:
        path: The file.
        orientation: Axis order of the array.
        like: Turn the axes as this scan's were turned instead: two affines that differ by rounding may otherwise be
            turned differently where axes lie near 45 degrees.

    Raises:
        VolumeError: An error of `read_volume`, or a value is not a whole number.
    """
    if path.is_dir():
        raise VolumeError(f"{path}: a folder; a label is one file, such as {case_id(path)}.nii.gz")
    stored = open_stored(path)
    array = whole_numbers(stored.load(None), path)
    return _oriented(array, stored, orientation, None if like is None else like.axes)


def whole_numbers(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """A label's values as integers.

    Raises:
        VolumeError: A value is no whole number, or too large for a label.
    """
    if np.issubdtype(array.dtype, np.integer):
        return array
    if not (np.isfinite(array).all() and np.abs(array).max() < 2**31):
        raise VolumeError(
            f"{path}: holds NaN, infinity or huge numbers; a label holds small whole numbers"
        )
    whole = np.rint(array)
    # A header's scale of 1/255 makes 255 to 1.00000006.
    odd = np.abs(array - whole) > ROUNDING
    if odd.any():
        raise VolumeError(
            f"{path}: a label must hold whole numbers, found {array[odd].flat[0]:g}; is this an image?"
        )
    return whole.astype(np.int32)


def _oriented(
    array: NDArray[Any],
    stored: Stored,
    orientation: Orientation,
    axes: NDArray[np.float64] | None = None,
) -> Volume:
    if axes is None:
        axes = orientations.io_orientation(
            stored.grid.affine if orientation == "RAS" else np.eye(4)
        )
    affine = stored.grid.affine @ orientations.inv_ornt_aff(axes, stored.grid.shape)
    array = orientations.apply_orientation(array, axes)
    shape = (array.shape[0], array.shape[1], array.shape[2])
    return Volume(
        array,
        Grid(shape, affine),
        stored.grid,
        axes,
        stored.header,
        stored.notes,
        stored.header_spacing,
    )
