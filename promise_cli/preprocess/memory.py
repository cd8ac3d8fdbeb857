"""How much memory a case takes at most, from headers alone: what bounds the number of processes."""

import math
from pathlib import Path

import numpy as np

from promise_cli.dataset.folder import CaseFiles
from promise_cli.errors import PromiseError
from promise_cli.geometry.grid import Spacing
from promise_cli.geometry.resample import target_grid
from promise_cli.volume import Stored, open_stored, volume_files

BASE = 200_000_000
"""Bytes of a process with its libraries before it reads anything."""
UNKNOWN_FACTOR = 10
"""Bytes in memory for one on disk, where a header cannot be read or would take long."""


def estimate_peak(files: CaseFiles, spacing: Spacing | None) -> int:
    """Bytes that a process needs for one case.

    Args:
        files: Image and label of the case; where they cannot be read, their sizes on disk are used.
        spacing: Target spacing in mm; None where the case is only read.
    """
    try:
        if files.image.is_dir():  # all headers of a DICOM folder take nearly as long as its slices
            return BASE + UNKNOWN_FACTOR * _size(files.image)
        image, label = open_stored(files.image), open_stored(files.label)
    except (PromiseError, OSError):
        return BASE + UNKNOWN_FACTOR * max(_size(files.image), _size(files.label))
    voxels = math.prod(image.grid.shape)
    together = _reading(image, np.float32) + _reading(label, np.int32) + 2 * voxels
    if spacing is None:
        return BASE + together
    target = math.prod(target_grid(image.grid, spacing).shape)
    alone = _reading(image, np.float32) + _scratch(image) + 2 * target
    return BASE + max(alone, 4 * target, _reading(label, np.int32) + 4 * target)


def _reading(stored: Stored, other: type[np.generic]) -> int:
    """Peak bytes while one volume is read: as stored, and again where a library copies it or the type changes."""
    voxels, item = math.prod(stored.grid.shape), stored.dtype.itemsize
    copies = 1 if stored.path.name.lower().endswith((".nii", ".nii.gz")) else 2
    changed = 0 if stored.dtype.kind in "iu" else np.dtype(other).itemsize + item
    return voxels * (copies * item + changed)


def _scratch(stored: Stored) -> int:
    """Percentiles of a scan that is no CT, which take a copy."""
    return 4 * math.prod(stored.grid.shape) if stored.dtype.kind == "f" else 0


def _size(path: Path) -> int:
    try:
        return sum(file.stat().st_size for file in volume_files(path))
    except OSError:
        return 0
