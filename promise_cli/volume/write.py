"""Masks back on the scan's own grid, as NIfTI."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from promise_cli.atomic import whole_file
from promise_cli.grid import format_shape
from promise_cli.volume.read import Volume


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
