"""Reads what `Predictor.open` is given: files, images, arrays, or a scan that was already read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from promise_cli.dataset.plan import Plan
from promise_cli.volume import (
    Volume,
    channel_files,
    is_image,
    read_scan,
    scan_of_array,
    scan_of_image,
)

Scan = Path | str | Sequence[Path | str] | NDArray[Any] | Volume | Any
"""What can be opened: a path, one path for each channel, an image of nibabel or SimpleITK, an array, or a scan that was
already read."""


def read_given(scan: Scan, plan: Plan, affine: ArrayLike | None) -> tuple[Volume, str]:
    """Read a scan with the channels and the orientation of a plan.

    Args:
        scan: The scan. If the plan has several channels, a single path means the file that holds all of them, or the
            first of the files `_0000`, `_0001` and so on.
        plan: The plan.
        affine: Matrix (4, 4) from a voxel of an array to RAS millimetres. It is None for any other scan.

    Returns:
        The scan, and its name in messages.

    Raises:
        VolumeError: The scan cannot be read.
        ValueError: An array comes without its affine, or another scan with one.
    """
    if isinstance(scan, np.ndarray) != (affine is not None):
        raise ValueError(
            "give affine=, the matrix (4, 4) from voxels to RAS millimetres, with an array and with nothing else"
        )
    if isinstance(scan, Volume):
        return scan, "scan"
    if isinstance(scan, np.ndarray):
        assert affine is not None
        return scan_of_array(scan, affine, plan.orientation), "array"
    if is_image(scan):
        return scan_of_image(scan, plan.orientation), "image"
    names = [channel.modality for channel in plan.channels]
    if isinstance(scan, Path | str):
        path = Path(scan)
        files = channel_files(path) if len(names) > 1 else (path,)
    else:
        files = tuple(Path(path) for path in scan)
    return read_scan(files, names, plan.orientation, keep_integers=True), str(files[0])
