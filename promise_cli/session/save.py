"""Writes the mask of a session on the grid of its scan."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import VolumeError
from promise_cli.volume import Volume, write_mask

_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def save_mask(
    mask: NDArray[np.bool_] | NDArray[np.uint8],
    scan: Volume,
    path: Path,
    where: str,
    *,
    overwrite: bool,
) -> None:
    """Write a mask as uint8 on the grid of the scan's file.

    Args:
        mask: Voxels (I, J, K) on `scan.grid`.
        scan: The scan.
        path: The file, whose name ends in `.nii.gz`, `.nii`, `.nrrd` or `.mha`.
        where: Name of the scan, which is its path if it was read from a file.
        overwrite: Whether to replace an existing file.

    Raises:
        VolumeError: The file exists already, is the scan itself, has another ending, or cannot be written.
    """
    if not path.name.lower().endswith(_SUFFIXES):
        raise VolumeError(f"{path}: a mask's name ends in {', '.join(_SUFFIXES)}; give such a name")
    if path.exists() and Path(where).exists() and path.samefile(where):
        raise VolumeError(f"{path}: is the scan itself; give another name")
    if path.exists() and not overwrite:
        raise VolumeError(f"{path}: exists already; give another name, or overwrite=True")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mask(mask, scan, path)
    except OSError as error:
        raise VolumeError(
            f"{path}: cannot be written ({error.strerror or error}); check free space and permissions"
        ) from None
