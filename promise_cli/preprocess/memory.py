"""Estimate the peak memory of a case from its headers.

The estimate limits how many processes run at the same time.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from promise_cli.dataset.folder import CaseFiles
from promise_cli.errors import PromiseError
from promise_cli.geometry.grid import Spacing
from promise_cli.geometry.resample import target_grid
from promise_cli.volume import Stored, open_stored, volume_files

BASE = 200_000_000
"""Memory in bytes of a process that has loaded its libraries but read no case."""
UNKNOWN_FACTOR = 10
"""Bytes in memory per byte on disk, assumed if a header cannot be read or would take long to read."""


def estimate_peak(
    files: CaseFiles,
    spacing: Spacing | None,
    *,
    has_objects: bool = False,
    compressed: bool = False,
) -> int:
    """Return the peak memory in bytes of a process that works on one case.

    Args:
        files: Image and label of the case. If they cannot be read, their sizes on disk are used.
        spacing: Spacing of the plan in mm; None if the case is only measured.
        has_objects: Whether the plan has several objects, whose targets are gathered in a further array.
        compressed: Whether the arrays are compressed. A packed array is in memory twice before it is written.
    """
    try:
        # Reading all headers of a DICOM folder takes nearly as long as reading its slices.
        if files.image.is_dir():
            return BASE + UNKNOWN_FACTOR * sum(map(_size, files.images))
        several = not files.further
        images = [open_stored(image, several=several) for image in files.images]
        label = open_stored(files.label)
    except (PromiseError, OSError):
        return BASE + UNKNOWN_FACTOR * max(sum(map(_size, files.images)), _size(files.label))
    image = images[0]
    voxels = math.prod(image.grid.shape)
    together = _reading_all(images) + _reading(label, np.int32) + 2 * voxels
    if spacing is None:
        return BASE + together
    target = math.prod(target_grid(image.grid, spacing).shape)
    channels = sum(one.channels for one in images)
    written = 2 * target if channels == 1 else 2 * (channels + 1) * target
    alone = _reading_all(images) + max(map(_scratch, images)) + written
    # A mask of the label and the array of all objects exist while an object is resampled.
    gathered = target + voxels if has_objects else 0
    packing = 3 * 2 * channels * target if compressed else 0
    return BASE + max(alone, packing, 4 * target, _reading(label, np.int32) + 4 * target + gathered)


def _reading_all(images: Sequence[Stored]) -> int:
    """Return the peak memory in bytes while all channels of a scan are read."""
    largest = max(_reading(one, np.float32) for one in images)
    if len(images) == 1:
        return largest
    # The files are read one after another into an array of all channels.
    item = np.result_type(*[one.dtype for one in images])
    size = item.itemsize if item.kind in "iu" else np.dtype(np.float32).itemsize
    return len(images) * math.prod(images[0].grid.shape) * size + largest


def _reading(stored: Stored, other: type[np.generic]) -> int:
    """Return the peak memory in bytes while one volume is read.

    The volume is in memory as stored, and once more if a library copies it or its type is changed.

    Args:
        stored: Header of the volume.
        other: Type to which numbers other than integers are converted.
    """
    voxels, item = math.prod(stored.grid.shape) * stored.channels, stored.dtype.itemsize
    copies = 1 if stored.path.name.lower().endswith((".nii", ".nii.gz")) else 2
    changed = 0 if stored.dtype.kind in "iu" else np.dtype(other).itemsize + item
    return voxels * (copies * item + changed)


def _scratch(stored: Stored) -> int:
    """Return the bytes of the copy that percentiles of a scan of floats need."""
    return 4 * math.prod(stored.grid.shape) if stored.dtype.kind == "f" else 0


def _size(path: Path) -> int:
    try:
        return sum(file.stat().st_size for file in volume_files(path))
    except OSError:
        return 0
