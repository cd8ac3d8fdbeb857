"""Decompress voxels piece by piece, and verify their checksum.

The readers of nibabel and ITK do not always verify it.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli.disk.regular import check_regular
from promise_cli.volume.limits import PADDING, check_file_size, truncated
from promise_cli.volume.nrrd import NrrdHeader

_GZIP = ("gz", "gzip")
_SKIPS = ("byte skip", "byteskip", "line skip", "lineskip")
"""Fields of a NRRD header that place the voxels further behind the header."""
_READ, _CHUNK = 1 << 16, 1 << 20
"""Largest number of bytes that are read and that are decompressed at once."""


def unpack(path: Path, size: int) -> NDArray[np.uint8]:
    """Decompress a gzip file and return its first `size` bytes, (size,).

    The checksum at the end of the file is verified.

    Raises:
        zlib.error: The file is truncated or damaged, or it does not hold exactly `size` bytes, apart from padding.
    """
    content = np.empty(size, dtype=np.uint8)
    filled = 0
    for piece in _pieces(path, 0, size):
        content[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    if filled < size:
        raise zlib.error(f"{filled} of {size} bytes")
    return content


def unpacked_size(path: Path, offset: int, most: int) -> int:
    """Return how many bytes the compressed data behind `offset` hold once they are decompressed.

    Raises:
        zlib.error: The data are truncated or damaged, or hold more than `most` bytes.
    """
    return sum(map(len, _pieces(path, offset, most)))


def check_data_files(path: Path, header: NrrdHeader) -> None:
    """Check that the voxels of a NRRD file are not in a pipe or a device, which ITK would open at once.

    Raises:
        OSError: A file of voxels is a pipe or a device.
    """
    for name in header.data_files:
        check_regular(path.parent / name)


def check_nrrd_size(path: Path, header: NrrdHeader, needed: int) -> None:
    """Check that the file with the voxels of a NRRD file can hold them.

    Args:
        path: The file of the header.
        header: The header.
        needed: Number of bytes of all voxels.

    Raises:
        VolumeError: The file is too small, or too large.
    """
    encoding = header.fields.get("encoding", "").lower()
    named = header.data_files
    one = path if not named else path.parent / named[0]
    skips = header.fields.keys() & _SKIPS
    if encoding not in ("raw", *_GZIP) or skips or len(named) > 1 or not one.is_file():
        return  # ITK says what is wrong with other files
    check_file_size(one, 0 if named else header.offset or 0, needed, packed=encoding in _GZIP)


def check_nrrd_data(path: Path, header: NrrdHeader, needed: int) -> None:
    """Decompress the voxels of a NRRD file once, to count them and to verify their checksum.

    Only gzip data in the NRRD file itself are checked, not those in another file or behind skipped bytes or lines.

    Args:
        path: The file.
        header: The header.
        needed: Number of bytes of all voxels.

    Raises:
        VolumeError: The voxels are truncated or damaged, or there are more of them than needed.
    """
    packed = header.fields.get("encoding", "").lower() in _GZIP
    elsewhere = header.data_files or header.fields.keys() & _SKIPS
    if header.offset is None or not packed or elsewhere:
        return
    try:
        found = unpacked_size(path, header.offset, needed)
        if found >= needed:
            return
        reason = f"{found} of {needed} bytes"
    except zlib.error as error:
        reason = str(error)
    raise truncated(path, reason)


def _pieces(path: Path, offset: int, most: int) -> Iterator[bytes]:
    """Yield the decompressed pieces of the zlib or gzip data behind `offset`, `most` bytes at the most.

    A small file may unpack to any size, so nothing beyond these bytes is unpacked, except zeros that fill up a block.

    Raises:
        zlib.error: The data are truncated or damaged, or hold more than `most` bytes.
    """
    total = 0
    for piece in _unpacked(path, offset):
        kept = piece[: max(0, most - total)]
        total += len(piece)
        if total > most + PADDING or piece[len(kept) :].strip(b"\0"):
            raise zlib.error(f"more than the {most} bytes that its header asks for")
        yield kept


def _unpacked(path: Path, offset: int) -> Iterator[bytes]:
    """Yield the decompressed pieces of the zlib or gzip data behind `offset`, each at most `_CHUNK` bytes long.

    gzip data may have several members, as bgzip and pigz write them.

    Raises:
        zlib.error: The data are truncated or damaged.
    """
    stream = zlib.decompressobj(wbits=47)
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(_READ):
            while chunk:
                if stream.eof:
                    chunk = chunk.lstrip(b"\0")  # padding between members
                    if not chunk:
                        break
                    stream = zlib.decompressobj(wbits=47)
                yield stream.decompress(chunk, _CHUNK)
                chunk = stream.unused_data if stream.eof else stream.unconsumed_tail
    while not stream.eof and (piece := stream.decompress(b"", _CHUNK)):
        yield piece
    if not stream.eof:
        raise zlib.error("the compressed data end too early")
