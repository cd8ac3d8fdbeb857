"""Write masks and probabilities on the scan's own grid."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from promise_cli.disk.atomic import whole_file
from promise_cli.geometry.grid import Grid, format_shape
from promise_cli.volume.nifti import nifti_unit
from promise_cli.volume.read import Volume
from promise_cli.volume.units import affine_in_unit

_VECTOR = 1007
"""Code of NIfTI's intent for several numbers per voxel."""


def as_stored(array: NDArray[Any], like: Volume) -> NDArray[Any]:
    """Return an array (I, J, K) on `like.grid` with its axes in the order of the file that `like` was read from.

    Raises:
        ValueError: The array does not have the shape of `like.grid`.
    """
    if array.shape != like.grid.shape:
        raise ValueError(
            f"{format_shape(array.shape)} voxels for a scan of {format_shape(like.grid.shape)}"
        )
    back = orientations.ornt_transform(orientations.io_orientation(np.eye(4)), like.axes)
    stored: NDArray[Any] = orientations.apply_orientation(array, back)
    return stored


def write_mask(mask: NDArray[np.bool_] | NDArray[np.uint8], like: Volume, path: Path) -> None:
    """Write a mask as uint8 on the grid of the file that `like` was read from.

    Args:
        mask: (I, J, K) on `like.grid`.
        like: The scan, whose axes, affine, sform, qform and units the mask gets. A mask in another format than its
            scan is in millimetres.
        path: The file, which ends in `.nii.gz`, `.nii`, `.nrrd` or `.mha`. It is written whole or not at all.

    Raises:
        VolumeError: The grid's axes are sheared, and the format is not NIfTI.
    """
    _write(as_stored(mask.astype(np.uint8), like), like, path)


def write_probabilities(probabilities: NDArray[np.float32], like: Volume, path: Path) -> None:
    """Write probabilities (I, J, K) on `like.grid` as float32. Arguments and errors are those of `write_mask`."""
    _write(as_stored(probabilities.astype(np.float32), like), like, path)


def nifti_bytes(array: NDArray[Any], grid: Grid) -> bytes:
    """Return the content of a NIfTI file with an array (I, J, K) on a grid, for programs that take no path."""
    image = nib.Nifti1Image(np.asfortranarray(array), grid.affine)
    content: bytes = image.to_bytes()
    return content


def _write(stored: NDArray[Any], like: Volume, path: Path) -> None:
    if not path.name.lower().endswith((".nii.gz", ".nii")):
        from promise_cli.volume.itk import write_itk  # noqa: PLC0415  NIfTI needs no SimpleITK

        with whole_file(path) as temporary:
            write_itk(stored, like.stored_grid, temporary, like.unit)
        return
    header = like.header.copy()
    header.extensions.clear()  # extensions may hold the patient's name
    header.set_data_dtype(stored.dtype)
    header.set_slope_inter(1, 0)
    affine = affine_in_unit(like.stored_grid.affine, nifti_unit(header, path))
    if int(header["intent_code"]) == _VECTOR:
        header.set_intent(
            "none"
        )  # a scan of several channels may have it, but a mask has one number per voxel
    header["cal_min"] = header["cal_max"] = 0
    with whole_file(path) as temporary:
        nib.save(
            nib.Nifti1Image(np.asfortranarray(stored), affine, header),
            temporary,
        )
