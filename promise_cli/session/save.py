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
        where: Name of the scan. It counts as a path of the scan if there is such a file.
        overwrite: Whether to replace an existing file. The files of the scan are never replaced.

    Raises:
        VolumeError: The file exists already, is a file of the scan, has another ending, or cannot be written.
    """
    if not path.name.lower().endswith(_SUFFIXES):
        raise VolumeError(f"{path}: a mask's name ends in {', '.join(_SUFFIXES)}; give such a name")
    if any(_are_same(path, file) for file in (*scan.files, Path(where))):
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


def _are_same(path: Path, other: Path) -> bool:
    """Whether two paths lead to the same file. False if one of them does not exist or cannot be a path."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False
