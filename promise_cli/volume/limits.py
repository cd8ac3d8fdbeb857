"""Refuse a scan before it takes memory, if its file or the free memory cannot hold its voxels."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from promise_cli.errors import VolumeError, format_bytes
from promise_cli.geometry.grid import format_shape
from promise_cli.jobs import free_memory

PADDING = 4096
"""Largest number of zero bytes that may follow the voxels; some programs fill up the last block of a file."""
GZIP_RATIO = 1032
"""Largest number of bytes that one byte of zlib or gzip data can hold."""
_ALLOWANCE = 1 << 20


_EXPECTED = re.compile(r"Expected (\d+) bytes, got (\d+) bytes")
"""nibabel's words about a file that is too short."""


def check_file_size(path: Path, start: int, needed: int, *, packed: bool = False) -> None:
    """Check that a file holds as many bytes as its header promises, or can hold them if it is compressed.

    Args:
        path: The file.
        start: Position of the first voxel, in bytes. In a compressed file, the bytes before it count as compressed too.
        needed: Number of bytes of all voxels.
        packed: Whether the file is compressed with zlib or gzip.

    Raises:
        VolumeError: The file is too small, or more than `PADDING` bytes follow the voxels.
    """
    size = path.stat().st_size
    most = size * GZIP_RATIO + _ALLOWANCE
    if packed and start + needed > most:
        reason = (
            f"the header promises {start + needed} bytes, but the file cannot hold more than {most}"
        )
    elif not packed and size < start + needed:
        reason = f"{max(0, size - start)} of {needed} bytes"
    elif not packed and size > start + needed + PADDING:
        reason = f"more than the {start + needed} bytes that its header asks for"
    else:
        return
    raise truncated(path, reason)


def truncated(path: Path, reason: str) -> VolumeError:
    """Return the error of a file whose voxels are not those that its header promises."""
    if reason.startswith("Error "):  # zlib's own words say nothing to a user
        reason = "the compressed data are damaged"
    elif (counts := _EXPECTED.fullmatch(reason)) is not None:
        reason = f"{counts[2]} of {counts[1]} bytes"
    return VolumeError(
        f"{path}: truncated or damaged{f' ({reason})' if reason else ''}; copy or download it again"
    )


def check_memory(path: Path, shape: Sequence[int], dtype: np.dtype[np.generic]) -> None:
    """Check that the voxels of a file fit into the free memory.

    Raises:
        MemoryError: The voxels need more memory than is free.
    """
    needed, free = math.prod(shape) * dtype.itemsize, free_memory()
    if needed > free:
        raise MemoryError(
            f"{path}: {format_shape(shape)} voxels need {format_bytes(needed)} of memory and {format_bytes(free)} are"
            " free; correct the header if it is wrong, or use a machine with more memory"
        )
