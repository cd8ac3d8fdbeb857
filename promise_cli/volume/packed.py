"""Decompress voxels piece by piece, and verify their checksum.

The readers of nibabel and ITK do not always verify it.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import VolumeError
from promise_cli.volume.nrrd import read_nrrd_header

_CHUNK = 1 << 20
_RATIO = 1032
"""Largest number of bytes that one compressed byte can hold."""


def unpack(path: Path, size: int) -> NDArray[np.uint8]:
    """Decompress a gzip file and return its first `size` bytes, (size,).

    The rest of the file is read too, because the checksum is at its end.

    Raises:
        zlib.error: The file is truncated, damaged or too short.
    """
    most = path.stat().st_size * _RATIO + _CHUNK
    if size > most:  # checked before a damaged header makes us allocate too much memory
        raise zlib.error(
            f"the header promises {size} bytes, but the file cannot hold more than {most}"
        )
    content = np.empty(size, dtype=np.uint8)
    filled = 0
    for piece in _pieces(path, 0):
        fits = min(len(piece), size - filled)
        content[filled : filled + fits] = np.frombuffer(piece, np.uint8, fits)
        filled += fits
    if filled < size:
        raise zlib.error(f"{filled} of {size} bytes")
    return content


def unpacked_size(path: Path, offset: int) -> int:
    """Return how many bytes the compressed data behind `offset` hold once they are decompressed.

    Raises:
        zlib.error: The data are truncated or damaged.
    """
    return sum(map(len, _pieces(path, offset)))


def check_packed_nrrd(path: Path) -> None:
    """Decompress the voxels of a NRRD file once, to verify their checksum.

    Only gzip data in the NRRD file itself are checked, not those in another file or behind skipped bytes or lines.

    Raises:
        VolumeError: The voxels are truncated or damaged.
    """
    header = read_nrrd_header(path)
    packed = header.fields.get("encoding", "").lower() in ("gz", "gzip")
    elsewhere = header.fields.keys() & {"data file", "datafile", "byte skip", "line skip"}
    if header.offset is None or not packed or elsewhere:
        return
    try:
        unpacked_size(path, header.offset)
    except zlib.error as error:
        raise VolumeError(
            f"{path}: truncated or damaged ({error}); copy or download it again"
        ) from None


def _pieces(path: Path, offset: int) -> Iterator[bytes]:
    """Yield the decompressed pieces of the zlib or gzip data behind `offset`.

    gzip data may have several members, as bgzip and pigz write them.

    Raises:
        zlib.error: The data are truncated or damaged.
    """
    stream = zlib.decompressobj(wbits=47)
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            while chunk:
                if stream.eof:
                    chunk = chunk.lstrip(b"\0")  # padding between members
                    if not chunk:
                        break
                    stream = zlib.decompressobj(wbits=47)
                yield stream.decompress(chunk)
                chunk = stream.unused_data
    if not stream.eof:
        raise zlib.error("the compressed data end too early")
