"""Take scans that are in memory already as images of nibabel or SimpleITK."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import VolumeError
from promise_cli.geometry.grid import format_shape
from promise_cli.volume.arrays import scan_of_array
from promise_cli.volume.nifti import nifti_unit
from promise_cli.volume.read import Orientation, Volume
from promise_cli.volume.units import affine_in_mm


def is_image(found: Any) -> bool:
    """Whether an object is an image of nibabel or SimpleITK."""
    return _is_itk(found) or isinstance(found, nib.spatialimages.SpatialImage)


def scan_of_image(image: Any, orientation: Orientation = "RAS", where: str = "image") -> Volume:
    """Return a scan whose voxels a program holds as an image. Whole numbers are not copied.

    Args:
        image: An image of nibabel, whose channels lie along a fourth axis, or of SimpleITK, whose channels are the
            components of a voxel.
        orientation: Wanted axis order.
        where: Name of the scan in messages.

    Raises:
        VolumeError: The image is not 3D, holds other things than finite numbers, or its geometry is impossible.
    """
    if _is_itk(image):
        from promise_cli.volume.itk import voxels_of  # noqa: PLC0415  other scans need no SimpleITK

        array, affine = voxels_of(image, where)
        return scan_of_array(array, affine, orientation, where)
    array, header = _channels_first(np.asanyarray(image.dataobj), where), image.header
    files = _files_of(image)
    if not isinstance(header, nib.Nifti1Header):
        return replace(scan_of_array(array, image.affine, orientation, where), files=files)
    # A NIfTI header is kept, because masks get its sform, qform and unit.
    unit = nifti_unit(header, Path(where))
    scan = scan_of_array(array, affine_in_mm(image.affine, unit), orientation, where)
    return replace(scan, header=header.copy(), unit=unit, files=files)


def _files_of(image: nib.spatialimages.SpatialImage) -> tuple[Path, ...]:
    """Return the files that an image of nibabel was read from or saved to, if any."""
    names = [holder.filename for holder in image.file_map.values()]
    names.append(getattr(image.dataobj, "file_like", None))  # of voxels that are still in a file
    return tuple(Path(name).absolute() for name in names if isinstance(name, str | Path))


def _is_itk(found: Any) -> bool:
    return type(found).__module__.split(".")[0] == "SimpleITK" and hasattr(found, "GetDirection")


def _channels_first(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Return voxels (I, J, K) as they are, and voxels (I, J, K, C) as (C, I, J, K)."""
    while array.ndim > 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (3, 4):
        raise VolumeError(f"{where}: {format_shape(array.shape)} voxels; give a 3D scan")
    return array if array.ndim == 3 else np.moveaxis(array, -1, 0)
