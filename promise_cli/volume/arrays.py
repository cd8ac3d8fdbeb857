"""Take scans that are in memory already as arrays."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from promise_cli.console import counted
from promise_cli.errors import VolumeError
from promise_cli.geometry.grid import format_shape
from promise_cli.volume.read import Orientation, Volume, count_odd, oriented
from promise_cli.volume.stored import Stored, header_for, shear_note, stored_grid


def scan_of_array(
    array: NDArray[Any],
    affine: ArrayLike,
    orientation: Orientation = "RAS",
    where: str = "array",
) -> Volume:
    """Return a scan whose voxels a program already holds.

    Args:
        array: Intensities, (I, J, K), or (C, I, J, K) for several channels.
        affine: Matrix (4, 4) from a voxel (i, j, k) of the array to RAS millimetres.
        orientation: Wanted axis order.
        where: Name of the scan in messages.

    Raises:
        VolumeError: The array has other axes, holds other things than finite real numbers, or the affine is impossible.
    """
    found = np.asarray(array)
    if found.ndim not in (3, 4) or 0 in found.shape:
        raise VolumeError(
            f"{where}: {format_shape(found.shape)} voxels; give (I, J, K), or (C, I, J, K) for several channels"
        )
    if found.dtype.kind not in "biuf":
        raise VolumeError(f"{where}: holds {found.dtype} values; give one number per voxel")
    matrix = np.asarray(affine, dtype=np.float64)
    if matrix.shape != (4, 4):
        raise VolumeError(f"{where}: its affine has shape {matrix.shape}; give a matrix (4, 4)")
    if found.dtype.kind == "f":
        found = found.astype(np.float32, copy=False)
    elif found.dtype.kind == "b":
        found = found.astype(np.uint8)
    if bad := count_odd(found):
        raise VolumeError(f"{where}: {counted(bad, 'voxel', 'are')} NaN or infinite; repair it")
    i, j, k = found.shape[-3:]
    grid = stored_grid((i, j, k), matrix, Path(where))
    stored = Stored(
        Path(where), grid, header_for(grid), found.dtype, lambda _: found, shear_note(grid)
    )
    return oriented(found[0] if found.ndim == 4 and len(found) == 1 else found, stored, orientation)
