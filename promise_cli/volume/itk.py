"""Read and write NRRD and MetaImage files, through SimpleITK."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from promise_cli.errors import VolumeError
from promise_cli.geometry.grid import LPS_FROM_RAS, Grid, Shape, format_shape, format_spacing
from promise_cli.volume.limits import check_memory, truncated
from promise_cli.volume.metaimage import add_meta_field, check_meta_data, read_meta_header
from promise_cli.volume.nrrd import NrrdHeader, add_field, read_nrrd_header
from promise_cli.volume.packed import check_data_files, check_nrrd_data, check_nrrd_size
from promise_cli.volume.stored import Stored, header_for, shear_note, split_channels, stored_grid
from promise_cli.volume.units import (
    MILLIMETRE,
    Unit,
    affine_in_mm,
    affine_in_unit,
    check_unit,
    unit_note,
    unit_of,
)

sitk.ProcessObject.GlobalWarningDisplayOff()  # our own messages say all that matters


def open_itk(path: Path, *, several: bool = False) -> Stored:
    """Read the header of a NRRD or MetaImage file.

    Args:
        path: The file.
        several: Whether the file may hold several channels, as components of each voxel or along a fourth axis.

    Raises:
        VolumeError: The file is unreadable or not 3D, or its geometry is impossible.
    """
    kind = "NRRD" if path.name.lower().endswith(".nrrd") else "MetaImage"
    try:
        header = read_nrrd_header(path) if kind == "NRRD" else read_meta_header(path)
        if isinstance(header, NrrdHeader):
            check_data_files(path, header)
    except (OSError, ValueError) as error:
        raise VolumeError(
            f"{path}: not readable as {kind} ({error}); copy or export it again"
        ) from None
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if kind == "NRRD" else "MetaImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        refuse_memory(error)
        raise VolumeError(
            f"{path}: not readable as {kind}{in_brackets(itk_reason(error))}; copy or export it again"
        ) from None
    parts = reader.GetNumberOfComponents()
    size = reader.GetSize()
    if len(size) < 3:
        raise VolumeError(
            f"{path}: a 2D image of {format_shape(size)} pixels; give a 3D scan with one channel"
        )
    axes = (*size, *([parts] if parts > 1 else []))
    shape, channels = split_channels(axes, path, several=several)
    spacing = np.array(reader.GetSpacing()[:3])
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise VolumeError(
            f"{path}: the header gives a voxel size of {format_spacing(spacing)}, which is impossible; correct it"
        )
    field, names = header.units
    unit = unit_of(names, field, path)
    affine = ras_affine(reader, spacing)
    check_unit(shape, affine, unit, path)
    grid = stored_grid(shape, affine_in_mm(affine, unit), path)
    notes = (*shear_note(grid), *unit_note(grid, unit), *header.notes)
    dtype = _stored_type(path, reader)
    num_bytes = math.prod(shape) * channels * dtype.itemsize
    if isinstance(header, NrrdHeader):
        check_nrrd_size(path, header, num_bytes)

    def load(wanted: type[np.float32] | None) -> NDArray[Any]:
        if isinstance(header, NrrdHeader):
            check_nrrd_data(path, header, num_bytes)
        else:
            check_meta_data(path, header, num_bytes)
        check_memory(path, axes, dtype)
        array = _load(path, reader, wanted)
        if channels == 1:
            return array.reshape(shape)
        return array.reshape((channels, *shape)) if parts > 1 else _last_axis_first(array, shape)

    i, j, k = (spacing * unit.mm).tolist()
    return Stored(
        path,
        grid,
        header_for(grid),
        dtype,
        load,
        notes,
        header_spacing=(i, j, k),
        unit=unit,
        channels=channels,
    )


def _last_axis_first(array: NDArray[Any], shape: Shape) -> NDArray[Any]:
    return np.moveaxis(array.reshape((*shape, -1)), -1, 0)


def _stored_type(path: Path, reader: Any) -> np.dtype[Any]:
    """Return the type of the voxels; refuse complex numbers."""
    dtype: np.dtype[Any] = sitk.GetArrayViewFromImage(
        sitk.Image([1, 1, 1], reader.GetPixelID())
    ).dtype
    if dtype.kind not in "iuf":
        raise VolumeError(f"{path}: holds {dtype} values, not one number per voxel; convert it")
    return dtype


def itk_reason(error: Exception) -> str:
    """Return the last line of ITK's message without addresses, names of functions and the final dot, or nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[-1].startswith("Reason: ") and "Permission" not in lines[-1]:
        # ITK adds the system's last error number, which may be that of an earlier call.
        return ""
    return re.sub(r"^.*\(0x[0-9a-f]+\): |^\[nrrd\] \w+: ", "", lines[-1] if lines else "").rstrip(
        "."
    )


def in_brackets(reason: str) -> str:
    """Return a reason as it is appended to a message; nothing if there is none."""
    return f" ({reason})" if reason else ""


def refuse_memory(error: Exception) -> None:
    """Raise `MemoryError` if ITK ran out of memory, and do nothing for any other error.

    ITK raises the same exception when memory runs out as for a bad file. Here the message must not blame the file.

    Raises:
        MemoryError: ITK could not allocate an image.
    """
    if "alloc" in str(error):
        raise MemoryError(itk_reason(error)) from None


def voxels_of(image: Any, where: str) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the voxels of a SimpleITK image in memory, and their affine to RAS millimetres.

    The voxels are (I, J, K), or (C, I, J, K) if each has several components.

    Raises:
        VolumeError: The image is not 3D.
    """
    if image.GetDimension() != 3:
        raise VolumeError(f"{where}: {format_shape(image.GetSize())} voxels; give a 3D scan")
    array = sitk.GetArrayFromImage(image)  # (K, J, I) or (K, J, I, C)
    channels = np.moveaxis(array, -1, 0) if array.ndim == 4 else array
    affine = ras_affine(image, np.array(image.GetSpacing()))
    return np.moveaxis(channels, (-1, -2, -3), (-3, -2, -1)), affine


def ras_affine(reader: Any, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the affine (4, 4) from voxels to RAS millimetres of an image that ITK has read.

    ITK counts left and posterior as positive (LPS), so the first two world axes change their sign.
    """
    dimension = reader.GetDimension()
    direction = np.array(reader.GetDirection()).reshape(dimension, dimension)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = LPS_FROM_RAS[:, None] * direction * spacing
    affine[:3, 3] = LPS_FROM_RAS * np.array(reader.GetOrigin()[:3])
    return affine


def _load(path: Path, reader: Any, dtype: type[np.float32] | None) -> NDArray[Any]:
    try:
        image = reader.Execute()
    except RuntimeError as error:
        refuse_memory(error)
        raise truncated(path, itk_reason(error)) from None
    array = sitk.GetArrayFromImage(image).T
    return array if dtype is None else array.astype(dtype, copy=False)


def write_itk(stored: NDArray[Any], grid: Grid, path: Path, unit: Unit = MILLIMETRE) -> None:
    """Write an array (I, J, K), whose axes are in the file's own order, with compression.

    The suffix of `path` chooses the format. The header gives lengths in `unit`, and names it if it is not mm.

    Raises:
        VolumeError: The grid's axes are sheared, which these formats cannot store.
    """
    if shear_note(grid):
        raise VolumeError(f"{path.name}: this format cannot store sheared axes; write NIfTI")
    image = sitk.GetImageFromArray(np.ascontiguousarray(stored.T))
    affine = affine_in_unit(grid.affine, unit)
    spacing = np.array(grid.spacing) / unit.mm
    image.SetSpacing(spacing.tolist())
    image.SetOrigin((LPS_FROM_RAS * affine[:3, 3]).tolist())
    image.SetDirection((LPS_FROM_RAS[:, None] * affine[:3, :3] / spacing).ravel().tolist())
    sitk.WriteImage(image, str(path), useCompression=True)
    if unit.mm != 1 and path.name.lower().endswith(".nrrd"):
        add_field(path, "space units:" + f' "{unit.name}"' * 3)
    elif unit.mm != 1:
        add_meta_field(path, f"DistanceUnits = {unit.name}")
