"""Read scans and labels in one axis order, and keep what is needed to restore the file's own order."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from promise_cli.console import counted
from promise_cli.disk.regular import check_regular
from promise_cli.errors import PromiseError, VolumeError
from promise_cli.geometry.grid import Grid, Spacing
from promise_cli.volume.mistaken import no_scan, refuse_placeholder
from promise_cli.volume.names import SUFFIXES, case_id
from promise_cli.volume.nifti import open_nifti
from promise_cli.volume.reorder import reorder
from promise_cli.volume.stored import Stored, header_spacing
from promise_cli.volume.units import MILLIMETRE, Unit

Orientation = Literal["RAS", "as_stored"]

ROUNDING = 1e-4
"""Largest allowed distance of a label's value from a whole number."""


@dataclass(frozen=True, eq=False)
class Volume:
    """An array on a grid, and the geometry of the file that it was read from."""

    array: NDArray[Any]
    """Voxels, (I, J, K), or (C, I, J, K) if the scan has several channels."""
    grid: Grid
    """Grid of `array`, in the requested orientation."""
    stored_grid: Grid
    """Grid of the file, in its own axis order."""
    axes: NDArray[np.float64]
    """nibabel's orientation transform (3, 2) from the file's axes to those of `array`."""
    header: nib.Nifti1Header
    """The file's own header, or one made for its grid if the file is not NIfTI."""
    notes: tuple[str, ...] = ()
    """Oddities of the file's geometry that need not be fixed."""
    header_spacing: Spacing | None = None
    """Spacing in mm along the file's axes, exactly as the header gives it; None stands for `stored_grid.spacing`."""
    unit: Unit = MILLIMETRE
    """Unit of the lengths in the file. The grids are in mm."""

    @property
    def channels(self) -> NDArray[Any]:
        """Voxels of all channels, (C, I, J, K)."""
        return self.array if self.array.ndim == 4 else self.array[None]

    @property
    def exact_spacing(self) -> Spacing:
        """Spacing in mm along the file's axes: the header's numbers, unless the affine contradicts them."""
        return header_spacing(self.header_spacing, self.stored_grid)

    def without_array(self) -> "Volume":
        """Return a copy that holds no voxels, but all that is needed to write a mask on this grid."""
        return replace(self, array=np.empty(0, self.array.dtype))


def open_stored(path: Path, *, several: bool = False) -> Stored:
    """Read the header of a scan or label; its voxels can be loaded later with `load` of the result.

    Args:
        path: The file, or a folder of DICOM slices.
        several: Whether the file may hold several channels.

    Raises:
        VolumeError: The file is missing, unreadable or not 3D, or its geometry is impossible. `load` raises it where
            the voxels are truncated or damaged.
    """
    if not path.exists():
        raise VolumeError(f"{path}: no such file")
    with _errors_naming(path):
        check_regular(path)
        refuse_placeholder(path)
        stored = _open(path, several=several)

    def load(dtype: type[np.float32] | None) -> NDArray[Any]:
        with _errors_naming(path):
            return stored.load(dtype)

    return replace(stored, load=load)


def _open(path: Path, *, several: bool) -> Stored:
    name = path.name.lower()
    if path.is_dir():
        from promise_cli.volume.dicom import open_dicom  # noqa: PLC0415  NIfTI needs no SimpleITK

        return open_dicom(path)
    if name.endswith((".nii.gz", ".nii")):
        return open_nifti(path, several=several)
    if name.endswith(SUFFIXES):
        from promise_cli.volume.itk import open_itk  # noqa: PLC0415

        return open_itk(path, several=several)
    raise no_scan(path)


@contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    """Turn any error that a library raises about a file, except running out of memory, into one line that names it."""
    try:
        yield
    except PromiseError:
        raise
    except MemoryError as error:
        if str(path) in str(error):
            raise
        raise MemoryError(
            f"{path}: {error or 'not enough memory'}; correct the header if it is wrong, or use a machine with more"
            " memory"
        ) from None
    except OSError as error:
        raise VolumeError(
            f"{path}: {error.strerror or error}; check its permissions and the disk"
        ) from None
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise VolumeError(f"{path}: not readable ({reason}); copy or export it again") from error


def read_grid(path: Path, *, several: bool = False) -> Grid:
    """Return the grid of a file as stored, from its header alone. `several` allows more than one channel."""
    return open_stored(path, several=several).grid


def read_volume(
    path: Path, orientation: Orientation = "RAS", *, keep_integers: bool = False
) -> Volume:
    """Read a scan's intensities.

    Args:
        path: A file, or a folder of DICOM slices.
        orientation: Axis order of the array.
        keep_integers: Whether whole numbers keep the type that the file stores, such as int16, which takes half the
            memory of float32. Otherwise, and for all other numbers, the array is float32.

    Raises:
        VolumeError: The file is missing, unreadable, truncated or not 3D, or holds NaN or infinity.
    """
    stored = open_stored(path)
    return oriented(load_finite(stored, keep_integers=keep_integers), stored, orientation)


def load_finite(stored: Stored, *, keep_integers: bool) -> NDArray[Any]:
    """Load a scan's intensities, in the order of the file. Arguments and errors are those of `read_volume`."""
    whole = keep_integers and stored.dtype.kind in "iu"
    array = stored.load(None if whole else np.float32)
    bad = 0 if whole else count_odd(array)
    if bad:
        raise VolumeError(
            f"{stored.path}: {counted(bad, 'voxel', 'are')} NaN or infinite; repair or leave out this scan"
        )
    return array


def ras_axes(grid: Grid) -> NDArray[np.float64]:
    """Return nibabel's orientation transform (3, 2) that brings a grid's axes closest to RAS."""
    return orientations.io_orientation(grid.affine)


def is_oriented(volume: Volume, orientation: Orientation) -> bool:
    """Whether a volume was read with this orientation."""
    wanted = volume.stored_grid.affine if orientation == "RAS" else np.eye(4)
    return bool(np.array_equal(volume.axes, orientations.io_orientation(wanted)))


def count_odd(array: NDArray[Any]) -> int:
    """Return how many voxels are NaN or infinite.

    The planes are counted one by one, since a mask of all voxels would take the memory of another volume.
    """
    if array.dtype.kind != "f":
        return 0
    planes = array.T if array.flags.f_contiguous else array
    return sum(int(plane.size - np.count_nonzero(np.isfinite(plane))) for plane in planes)


def read_label(path: Path, orientation: Orientation = "RAS", like: Volume | None = None) -> Volume:
    """Read a label or mask as whole numbers, without a float copy where the file stores integers.

    Args:
        path: The file.
        orientation: Axis order of the array.
        like: The scan or label file to which this one belongs. Its change of axes is applied instead of the label's
            own. Two affines that differ only by rounding may otherwise get different axes, if these lie near 45
            degrees. If only the order or direction of the stored axes differs, the voxels are reordered first, so that
            `as_stored` means the order in which that scan or label file stores its axes.

    Raises:
        VolumeError: The file is missing, a folder, unreadable, truncated or not 3D, or a value is not a whole number.
    """
    if path.is_dir():
        raise VolumeError(f"{path}: a folder; a label is one file, such as {case_id(path)}.nii.gz")
    stored = open_stored(path)
    array = whole_numbers(stored.load(None), path)
    if like is not None:
        array, stored = reorder(array, stored, like.stored_grid)
    axes = None if like is None or orientation == "as_stored" else like.axes
    return oriented(array, stored, orientation, axes)


def whole_numbers(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return a label's values as integers, rounded where they are within `ROUNDING` of a whole number.

    Raises:
        VolumeError: A value is not a whole number, or too large for a label.
    """
    if np.issubdtype(array.dtype, np.integer):
        return array
    if not (np.isfinite(array).all() and np.abs(array).max() < 2**31):
        raise VolumeError(
            f"{path}: holds NaN, infinity or huge numbers; a label holds small whole numbers"
        )
    whole = np.rint(array)
    # Rounding errors are allowed: a header's scale of 1/255 turns 255 into 1.00000006.
    odd = np.abs(array - whole) > ROUNDING
    if odd.any():
        raise VolumeError(
            f"{path}: a label must hold whole numbers, found {array[odd].flat[0]:g}; is this an image?"
        )
    return whole.astype(np.int32)


def oriented(
    array: NDArray[Any],
    stored: Stored,
    orientation: Orientation,
    axes: NDArray[np.float64] | None = None,
) -> Volume:
    """Bring voxels (I, J, K) or (C, I, J, K) from the order of their file to an orientation.

    Args:
        array: The voxels.
        stored: Description of their file.
        orientation: Wanted axis order.
        axes: Change of axes to apply; None for the one that the file's affine and `orientation` give.
    """
    if axes is None:
        axes = orientations.io_orientation(
            stored.grid.affine if orientation == "RAS" else np.eye(4)
        )
    affine = stored.grid.affine @ orientations.inv_ornt_aff(axes, stored.grid.shape)
    if array.ndim == 4:
        array = np.moveaxis(orientations.apply_orientation(np.moveaxis(array, 0, -1), axes), -1, 0)
    else:
        array = orientations.apply_orientation(array, axes)
    i, j, k = array.shape[-3:]
    shape = (i, j, k)
    return Volume(
        array,
        Grid(shape, affine),
        stored.grid,
        axes,
        stored.header,
        stored.notes,
        stored.header_spacing,
        stored.unit,
    )
