"""Take scans that are in memory already: nibabel images, SimpleITK images, and arrays with an affine."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from promise_cli.errors import VolumeError
from promise_cli.volume.nifti import nifti_unit
from promise_cli.volume.read import Orientation, Volume, volume_from
from promise_cli.volume.stored import spatial_shape, stored_grid
from promise_cli.volume.units import affine_in_mm


def volume_of_image(
    image: Any, orientation: Orientation, where: str, affine: ArrayLike | None = None
) -> Volume:
    """Return an image in memory as a volume, as if it were read from a file. Its voxels are not copied.

    Args:
        image: A nibabel image, a SimpleITK image, or an array (I, J, K).
        orientation: Axis order of the result.
        where: Name of the scan in messages.
        affine: Matrix (4, 4) from voxels to RAS millimetres, which an array needs. Images have their own.

    Raises:
        VolumeError: The image is not 3D, holds other things than one finite number per voxel, or its geometry is
            impossible; an array has no affine, or an image is given with one.
    """
    is_itk = type(image).__module__.split(".")[0] == "SimpleITK"
    if is_itk or isinstance(image, nib.spatialimages.SpatialImage):
        if affine is not None:
            raise VolumeError(f"{where}: the image has an affine of its own; leave affine out")
        return (_from_itk if is_itk else _from_nibabel)(image, orientation, where)
    if affine is None:
        raise VolumeError(
            f"{where}: an array does not say where its voxels lie; give affine=, a matrix (4, 4) from voxels to RAS"
            " millimetres"
        )
    return _from_array(np.asarray(image), affine, orientation, where)


def _from_nibabel(image: Any, orientation: Orientation, where: str) -> Volume:
    header = image.header
    if not isinstance(header, nib.Nifti1Header):
        return _from_array(np.asanyarray(image.dataobj), image.affine, orientation, where)
    # A NIfTI header is kept, because masks get its sform, qform and unit.
    unit = nifti_unit(header, Path(where))
    affine = affine_in_mm(image.affine, unit)
    volume = _from_array(np.asanyarray(image.dataobj), affine, orientation, where)
    return replace(volume, header=header.copy(), unit=unit)


def _from_itk(image: Any, orientation: Orientation, where: str) -> Volume:
    from promise_cli.volume.itk import voxels_of  # noqa: PLC0415  other scans need no SimpleITK

    array, affine = voxels_of(image, where)
    return _from_array(array, affine, orientation, where)


def _from_array(
    array: NDArray[Any], affine: ArrayLike, orientation: Orientation, where: str
) -> Volume:
    path = Path(where)
    if array.dtype.kind not in "biuf":
        raise VolumeError(f"{where}: holds {array.dtype} values, not one number per voxel")
    matrix = np.asarray(affine, dtype=np.float64)
    if matrix.shape != (4, 4):
        raise VolumeError(f"{where}: the affine has shape {matrix.shape}; give a matrix (4, 4)")
    shape = spatial_shape(array.shape, path)
    grid = stored_grid(shape, matrix, path)
    # As for files, whole numbers keep their type and all other numbers become float32.
    whole = array.dtype.kind in "iu"
    numbers = array.reshape(shape) if whole else array.reshape(shape).astype(np.float32)
    return volume_from(numbers, grid, orientation, where)
