"""NIfTI: `.nii` and `.nii.gz`, through nibabel."""

import gzip
import logging
import math
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from promise_cli.errors import VolumeError
from promise_cli.geometry.grid import Grid, format_spacing
from promise_cli.volume.packed import unpack
from promise_cli.volume.stored import (
    SPACING_TOLERANCE,
    Stored,
    shear_note,
    spatial_shape,
    stored_grid,
)

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


def open_nifti(path: Path) -> Stored:
    """Read the header of a NIfTI file.

    Raises:
        VolumeError: An error of `open_stored`.
    """
    try:
        _check_start(path)
        image = nib.load(path)
        pixdim = _written_spacing(path)
    except _READ_ERRORS as error:
        raise VolumeError(
            f"{path}: not readable as NIfTI ({error}); copy or export it again"
        ) from None
    if not isinstance(image, nib.Nifti1Image):
        raise VolumeError(f"{path}: holds {type(image).__name__}, not NIfTI; convert it to .nii.gz")
    dtype = image.get_data_dtype()
    if dtype.kind not in "biuf":
        raise VolumeError(f"{path}: holds {dtype} values, not one number a voxel; convert it")
    shape = spatial_shape(image.shape, path)
    if not (np.isfinite(pixdim).all() and (pixdim > 0).all()):
        raise VolumeError(
            f"{path}: the header says voxels of {format_spacing(pixdim)}, which cannot be; correct its pixdim"
        )
    grid = stored_grid(shape, image.affine, path)
    i, j, k = pixdim.tolist()
    return Stored(
        path,
        grid,
        image.header,
        dtype if _is_unscaled(image) else np.dtype(np.float64),
        lambda dtype: _load(image, path, dtype).reshape(shape),
        (*shear_note(grid), *_notes(image.header, grid, pixdim)),
        header_spacing=(i, j, k),
    )


def _check_start(path: Path) -> None:
    """Say plainly what nibabel says with its own names."""
    with path.open("rb") as file:
        start = file.read(2)
    if not start:
        raise ImageFileError("the file is empty")
    if path.name.lower().endswith(".gz") and start != b"\x1f\x8b":
        raise ImageFileError("it is not packed with gzip, as its name says")


def _written_spacing(path: Path) -> NDArray[np.float64]:
    """Read the three spacings as written in the file: nibabel silently fixes zero and negative ones."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        start = file.read(540)
    kind = nib.Nifti2Header if start[4:7] in (b"n+2", b"ni2") else nib.Nifti1Header
    header = kind(start[: kind.template_dtype.itemsize], check=False)
    return np.asarray(header["pixdim"][1:4], dtype=np.float64)


def _notes(header: nib.Nifti1Header, grid: Grid, pixdim: NDArray[np.float64]) -> tuple[str, ...]:
    notes = []
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        notes.append("neither sform nor qform says how the scan lies; left and right are a guess")
    unit = header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        notes.append(
            f"the header counts in {unit}; its numbers are taken as millimetres all the same"
        )
    if not np.allclose(pixdim, grid.spacing, rtol=SPACING_TOLERANCE, atol=0):
        notes.append(
            f"the header says voxels of {format_spacing(pixdim)}, its affine {format_spacing(grid.spacing)};"
            " the affine is taken"
        )
    elif int(header["sform_code"]) > 0 and int(header["qform_code"]) > 0 and not shear_note(grid):
        # A qform cannot hold a shear, so it must differ from such an sform.
        apart = _distance_of_qform(header, grid)
        if apart > max(1.0, min(grid.spacing)):
            notes.append(
                f"sform and qform differ by up to {apart:.3g} mm; the sform is taken, other programs may take the other"
            )
    return tuple(notes)


def _distance_of_qform(header: nib.Nifti1Header, grid: Grid) -> float:
    """Millimetres between the corners of both; infinite where the qform is none."""
    try:
        return Grid(grid.shape, header.get_qform()).distance_mm(grid)
    except (HeaderDataError, ValueError):
        return math.inf


def _is_unscaled(image: nib.Nifti1Image) -> bool:
    return bool(image.dataobj.slope == 1 and image.dataobj.inter == 0)


def _load(image: nib.Nifti1Image, path: Path, dtype: type[np.float32] | None) -> NDArray[Any]:
    try:
        if path.name.lower().endswith(".gz"):
            # nibabel stops after the last voxel and never meets the checksum at the end of the file.
            proxy = image.dataobj
            num_bytes = math.prod(image.shape) * proxy.dtype.itemsize
            content = unpack(path, proxy.offset + num_bytes)
            if _is_unscaled(image):
                voxels = content[proxy.offset :].view(proxy.dtype)
                voxels = voxels.reshape(image.shape, order="F")
                with np.errstate(all="ignore"):
                    return voxels if dtype is None else voxels.astype(dtype, copy=False)
            image = type(image).from_stream(BytesIO(content.data))
        with np.errstate(all="ignore"):  # what overflows is found and named by the caller
            return np.asanyarray(image.dataobj, dtype=dtype)
    except _READ_ERRORS as error:
        reason = str(error).partition(" - could")[0].replace(f" from {path}", "").strip()
        raise VolumeError(
            f"{path}: truncated or damaged ({reason}); copy or download it again"
        ) from None
