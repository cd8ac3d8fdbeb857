"""Scans and labels as arrays on a grid, read from NIfTI and written back on the scan's own grid.

A scan is stored with its axes in any order and direction. `read_volume` turns it to the closest RAS+ order, axes
(i, j, k) with k through-plane for an axial scan, and remembers how, so that `write_mask` undoes it exactly.
nibabel lives here.
"""

import gzip
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nibabel import orientations
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from promise_cli.atomic import whole_file
from promise_cli.errors import VolumeError
from promise_cli.grid import Grid, format_shape, format_spacing

Orientation = Literal["RAS", "as_stored"]
SUFFIXES = (".nii.gz", ".nii")
SPACING_MM = (1e-3, 100.0)
"""What a voxel's edge may measure; beyond, the header's units are wrong."""

logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # our own message says what matters

_READ_ERRORS = (
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    OSError,
    EOFError,
    ValueError,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class Volume:
    """An array on a grid, and where it came from."""

    array: NDArray[Any]
    """(I, J, K)."""
    grid: Grid
    """Of `array`, in the orientation that was asked for."""
    stored_grid: Grid
    """Of the file."""
    axes: NDArray[np.float64]
    """nibabel's orientation transform (3, 2): from the file's axes to those of `array`."""
    header: nib.Nifti1Header
    """The file's header."""


def case_id(path: Path) -> str:
    """File name without suffix and without nnU-Net's channel number: `liver_3_0000.nii.gz` -> `liver_3`."""
    name = path.name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return name.removesuffix("_0000")


def is_volume_file(path: Path) -> bool:
    """Whether a name looks like a scan; macOS's `._*` leftovers and hidden files do not."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def find_volumes(folder: Path) -> dict[str, Path]:
    """All scans directly in a folder by case id, sorted.

    Raises:
        VolumeError: Two files have the same case id.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not is_volume_file(path):
            continue
        if case_id(path) in ("", ".", ".."):
            raise VolumeError(f"{path}: no name is left for the case; rename the file")
        if case_id(path) in found:
            raise VolumeError(
                f"{path}: the same case as {found[case_id(path)].name}; keep one of the two"
            )
        found[case_id(path)] = path
    return found


def read_grid(path: Path) -> Grid:
    """The grid of a file as stored, from its header alone."""
    return _stored_grid(_open(path), path)


def read_volume(path: Path, orientation: Orientation = "RAS") -> Volume:
    """Read a scan as float32 intensities.

    Raises:
        VolumeError: The file is missing, unreadable, truncated, not 3D, or holds NaN or infinity.
    """
    image = _open(path)
    volume = _oriented(_load(image, path, np.float32), image, path, orientation)
    bad = int(volume.array.size - np.isfinite(volume.array).sum())
    if bad:
        raise VolumeError(
            f"{path}: {bad} voxels are NaN or infinite; repair or leave out this scan"
        )
    return volume


def read_label(path: Path, orientation: Orientation = "RAS", like: Volume | None = None) -> Volume:
    """Read a label or mask as whole numbers, without a float copy where the file stores integers.

    Args:
        path: The file.
        orientation: Axis order of the array.
        like: Turn the axes as this scan's were turned instead: two affines that differ by rounding may otherwise be
            turned differently where axes lie near 45 degrees.

    Raises:
        VolumeError: As `read_volume`, or a value is no whole number.
    """
    image = _open(path)
    array = _load(image, path, None)
    if not np.issubdtype(array.dtype, np.integer):
        if not (np.isfinite(array).all() and np.abs(array).max() < 2**31):
            raise VolumeError(
                f"{path}: holds NaN, infinity or huge numbers; a label holds small whole numbers"
            )
        whole = np.rint(array)
        if not np.array_equal(whole, array):
            bad = array[whole != array].flat[0]
            raise VolumeError(
                f"{path}: a label must hold whole numbers, found {bad:g}; is this an image?"
            )
        array = whole.astype(np.int32)
    return _oriented(array, image, path, orientation, None if like is None else like.axes)


def write_mask(mask: NDArray[np.bool_] | NDArray[np.uint8], like: Volume, path: Path) -> None:
    """Write a mask as uint8 NIfTI on the grid of the file that `like` was read from.

    Args:
        mask: (I, J, K) on `like.grid`.
        like: The scan; its axes, affine, sform, qform and units become the mask's.
        path: Ends in `.nii.gz` or `.nii`; appears whole or not at all.
    """
    if mask.shape != like.grid.shape:
        raise ValueError(
            f"mask of {format_shape(mask.shape)} voxels for a scan of {format_shape(like.grid.shape)}"
        )
    back = orientations.ornt_transform(orientations.io_orientation(np.eye(4)), like.axes)
    stored = orientations.apply_orientation(mask.astype(np.uint8), back)
    header = like.header.copy()
    header.extensions.clear()  # may hold the patient's name
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0
    with whole_file(path) as temporary:
        nib.save(
            nib.Nifti1Image(np.ascontiguousarray(stored), like.stored_grid.affine, header),
            temporary,
        )


def _open(path: Path) -> nib.Nifti1Image:
    if not path.exists():
        raise VolumeError(f"{path}: no such file")
    if not path.name.lower().endswith(SUFFIXES):
        raise VolumeError(f"{path}: not a NIfTI file; scans and labels end in .nii.gz or .nii")
    try:
        image = nib.load(path)
    except _READ_ERRORS as error:
        raise VolumeError(
            f"{path}: not readable as NIfTI ({error}); copy or export it again"
        ) from None
    if not isinstance(image, nib.Nifti1Image):
        raise VolumeError(f"{path}: holds {type(image).__name__}, not NIfTI; convert it to .nii.gz")
    if image.get_data_dtype().kind not in "biuf":
        raise VolumeError(
            f"{path}: holds {image.get_data_dtype()} values, not one number a voxel; convert it"
        )
    return image


def _shape(image: nib.Nifti1Image, path: Path) -> tuple[int, int, int]:
    shape = image.shape
    if len(shape) > 3 and all(n == 1 for n in shape[3:]):
        shape = shape[:3]
    if len(shape) != 3:
        raise VolumeError(
            f"{path}: expected a 3D scan with one channel, found {format_shape(image.shape)}; extract one volume"
        )
    return shape


def _stored_grid(image: nib.Nifti1Image, path: Path) -> Grid:
    try:
        grid = Grid(_shape(image, path), np.asarray(image.affine, dtype=np.float64))
    except ValueError as error:
        raise VolumeError(f"{path}: {error}; repair the header") from None
    if not SPACING_MM[0] <= min(grid.spacing) <= max(grid.spacing) <= SPACING_MM[1]:
        raise VolumeError(
            f"{path}: voxels of {format_spacing(grid.spacing)}, which cannot be; correct the header's units"
        )
    return grid


def _load(image: nib.Nifti1Image, path: Path, dtype: type[np.float32] | None) -> NDArray[Any]:
    try:
        if path.name.lower().endswith(".gz"):
            # nibabel stops after the last voxel and never meets the checksum at the end of the file.
            image = type(image).from_bytes(gzip.decompress(path.read_bytes()))
        with np.errstate(all="ignore"):  # what overflows is found and named by the caller
            array = np.asanyarray(image.dataobj) if dtype is None else image.get_fdata(dtype=dtype)
    except (*_READ_ERRORS, MemoryError) as error:
        raise VolumeError(
            f"{path}: truncated or damaged ({error}); copy or download it again"
        ) from None
    return np.asarray(array).reshape(_shape(image, path))


def _oriented(
    array: NDArray[Any],
    image: nib.Nifti1Image,
    path: Path,
    orientation: Orientation,
    axes: NDArray[np.float64] | None = None,
) -> Volume:
    stored_grid = _stored_grid(image, path)
    if axes is None:
        axes = orientations.io_orientation(
            stored_grid.affine if orientation == "RAS" else np.eye(4)
        )
    affine = stored_grid.affine @ orientations.inv_ornt_aff(axes, stored_grid.shape)
    array = orientations.apply_orientation(array, axes)
    shape = (array.shape[0], array.shape[1], array.shape[2])
    return Volume(array, Grid(shape, affine), stored_grid, axes, image.header)
