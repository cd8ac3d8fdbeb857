"""Read NIfTI files (`.nii` and `.nii.gz`), through nibabel."""

import gzip
import logging
import math
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from promise_cli.errors import VolumeError
from promise_cli.geometry.grid import Grid, Shape, format_spacing
from promise_cli.volume.limits import check_file_size, check_memory, truncated
from promise_cli.volume.packed import unpack
from promise_cli.volume.stored import (
    SPACING_TOLERANCE,
    Stored,
    shear_note,
    split_channels,
    stored_grid,
)
from promise_cli.volume.units import Unit, affine_in_mm, check_unit, unit_note, unit_of

# Our own messages say all that matters.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)

_UNITS = {0: "unknown", 1: "m", 2: "mm", 3: "um"}
"""Units of length by their code in the header's field `xyzt_units`."""

_LARGEST_OFFSET = 1 << 26
"""Largest number of bytes that may lie before the first voxel. Header and extensions never need that many."""

_READ_ERRORS = (
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    OSError,
    EOFError,
    ValueError,
    zlib.error,
)


def open_nifti(path: Path, *, several: bool = False) -> Stored:
    """Read the header of a NIfTI file.

    Args:
        path: The file.
        several: Whether the file may hold several channels along a fourth or fifth axis.

    Raises:
        VolumeError: The file is unreadable or not 3D, or its geometry is impossible.
    """
    try:
        _check_start(path)
        header = _written_header(path)
        if header is not None and not 0 <= header["vox_offset"] <= _LARGEST_OFFSET:
            # nibabel would read all that lies before the voxels
            raise ImageFileError(f"its voxels begin after {header['vox_offset']:g} bytes")
        image = nib.load(path)
        pixdim = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    except _READ_ERRORS as error:
        raise VolumeError(
            f"{path}: not readable as NIfTI ({_reason(error)}); copy or export it again"
        ) from None
    if not isinstance(image, nib.Nifti1Image):
        raise VolumeError(f"{path}: holds {type(image).__name__}, not NIfTI; convert it to .nii.gz")
    image = _without_empty_axes(image)
    dtype = image.get_data_dtype()
    if dtype.kind not in "biuf":
        values = f"colours ({', '.join(dtype.names)})" if dtype.names else f"{dtype} values"
        raise VolumeError(f"{path}: holds {values}, not one number per voxel; convert it")
    shape, channels = split_channels(image.shape, path, several=several)
    if not (np.isfinite(pixdim).all() and (pixdim > 0).all()):
        raise VolumeError(
            f"{path}: the header gives a voxel size of {format_spacing(pixdim)}, which is impossible;"
            " correct its pixdim"
        )
    unit = nifti_unit(image.header, path)
    check_unit(shape, image.affine, unit, path)
    grid = stored_grid(shape, affine_in_mm(image.affine, unit), path)
    pixdim *= unit.mm
    i, j, k = pixdim.tolist()
    return Stored(
        path,
        grid,
        image.header,
        dtype if _is_unscaled(image) else np.dtype(np.float64),
        lambda dtype: _channels_first(_load(image, path, dtype), shape, channels),
        (*shear_note(grid), *unit_note(grid, unit), *_notes(image.header, grid, pixdim, unit)),
        header_spacing=(i, j, k),
        unit=unit,
        channels=channels,
    )


def _channels_first(array: NDArray[Any], shape: Shape, channels: int) -> NDArray[Any]:
    """Return the voxels as (I, J, K), or as (C, I, J, K) if there are several channels."""
    if channels == 1:
        return array.reshape(shape)
    return np.moveaxis(array.reshape((*shape, channels)), -1, 0)


def _reason(error: Exception) -> str:
    """Return the words of an error of nibabel, or plainer ones where they only repeat the file's name."""
    return "its header is not that of NIfTI" if "file type of" in str(error) else str(error)


def _without_empty_axes(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return the image with length 1 for axes after the third whose length is 0. Some tools write 0 for a 3D scan."""
    if 0 not in image.shape[3:] or 0 in image.shape[:3]:
        return image
    return _reshaped(image, image.dataobj.file_like)


def _reshaped(image: nib.Nifti1Image, file: Any) -> nib.Nifti1Image:
    """Return the image of a file, with length 1 for axes after the third whose length is 0."""
    proxy = image.dataobj
    shape = (*image.shape[:3], *(max(1, n) for n in image.shape[3:]))
    layout = (shape, proxy.dtype, proxy.offset, proxy.slope, proxy.inter)
    return type(image)(ArrayProxy(file, layout), image.affine, image.header)


def nifti_unit(header: nib.Nifti1Header, path: Path) -> Unit:
    """Return the unit of lengths that a header names."""
    code = int(header["xyzt_units"]) % 8
    return unit_of([_UNITS.get(code, f"code {code}")], "xyzt_units", path)


def _check_start(path: Path) -> None:
    """Refuse an empty file, and a `.gz` file that is not gzip, in plainer words than nibabel.

    Raises:
        ImageFileError: The file is empty, not compressed, or compressed twice.
    """
    with path.open("rb") as file:
        start = file.read(2)
    if not start:
        raise ImageFileError("the file is empty")
    if path.name.lower().endswith(".gz") and start != b"\x1f\x8b":
        raise ImageFileError("it is not compressed with gzip, although its name ends in .gz")
    if start == b"\x1f\x8b":
        with gzip.open(path) as packed, suppress(OSError, EOFError, zlib.error):
            if packed.read(2) == start:
                raise ImageFileError("it is compressed twice")


def _written_header(path: Path) -> Any:
    """Read the header as written in the file, since nibabel silently corrects some fields; None if it is too short."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        start = file.read(540)
    kind = nib.Nifti2Header if start[4:7] in (b"n+2", b"ni2") else nib.Nifti1Header
    size = kind.template_dtype.itemsize
    return kind(start[:size], check=False) if len(start) >= size else None


def _notes(
    header: nib.Nifti1Header, grid: Grid, pixdim: NDArray[np.float64], unit: Unit
) -> tuple[str, ...]:
    """Describe oddities of the header that a user should know about but need not fix."""
    notes = []
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        notes.append(
            "neither sform nor qform gives the scan's orientation; left and right are a guess"
        )
    if not np.allclose(pixdim, grid.spacing, rtol=SPACING_TOLERANCE, atol=0):
        notes.append(
            f"the header gives a voxel size of {format_spacing(pixdim)}, its affine {format_spacing(grid.spacing)};"
            " the affine is used"
        )
    elif int(header["sform_code"]) > 0 and int(header["qform_code"]) > 0 and not shear_note(grid):
        # A qform cannot store a shear, so it always differs from a sheared sform.
        apart = _distance_of_qform(header, grid, unit)
        if apart > max(1.0, min(grid.spacing)):
            notes.append(
                f"sform and qform differ by up to {apart:.3g} mm; the sform is used, other programs may use the qform"
            )
    return tuple(notes)


def _distance_of_qform(header: nib.Nifti1Header, grid: Grid, unit: Unit) -> float:
    """Return the largest distance in mm by which the qform moves a corner of the grid; infinite if it is invalid."""
    try:
        return Grid(grid.shape, affine_in_mm(header.get_qform(), unit)).distance_mm(grid)
    except (HeaderDataError, ValueError):
        return math.inf


def _is_unscaled(image: nib.Nifti1Image) -> bool:
    return bool(image.dataobj.slope == 1 and image.dataobj.inter == 0)


def _load(image: nib.Nifti1Image, path: Path, dtype: type[np.float32] | None) -> NDArray[Any]:
    proxy = image.dataobj
    num_bytes = math.prod(image.shape) * proxy.dtype.itemsize
    packed = path.name.lower().endswith(".gz")
    check_file_size(path, proxy.offset, num_bytes, packed=packed)
    check_memory(path, image.shape, proxy.dtype)
    try:
        if packed:
            # nibabel stops reading after the last voxel, so it never verifies the checksum at the end of the file.
            content = unpack(path, proxy.offset + num_bytes)
            if _is_unscaled(image):
                voxels = content[proxy.offset :].view(proxy.dtype)
                voxels = voxels.reshape(image.shape, order="F")
                with np.errstate(all="ignore"):
                    return voxels if dtype is None else voxels.astype(dtype, copy=False)
            image = _reshaped(image, BytesIO(content.data))
        with np.errstate(all="ignore"):  # the caller finds and reports values that overflow
            return np.asanyarray(image.dataobj, dtype=dtype)
    except _READ_ERRORS as error:
        reason = str(error).partition(" - could")[0].replace(f" from {path}", "").strip()
        raise truncated(path, reason) from None
