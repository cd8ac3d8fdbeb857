"""Packed voxels: unpacked piece by piece, and their checksum met, which the libraries' readers do not always do."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import VolumeError

_CHUNK = 1 << 20
_HEADER = 1 << 20


def unpack(path: Path, size: int) -> NDArray[np.uint8]:
    """The first `size` bytes of a gzip file unpacked; the rest is read too, for the checksum at its end.

    Raises:
        zlib.error: The file is truncated, damaged or too short.
    """
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
    """How many bytes lie packed behind `offset`.

    Raises:
        zlib.error: As `unpack`.
    """
    return sum(map(len, _pieces(path, offset)))


def check_packed_nrrd(path: Path) -> None:
    """Unpack a NRRD file once where its voxels are packed in it with gzip.

    Raises:
        VolumeError: They are damaged.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER)
    header, end, _ = start.partition(b"\n\n")
    fields = {line.split(b":")[0].strip().lower() for line in header.splitlines()}
    packed = any(b"encoding: gz" in line.lower() for line in header.splitlines())
    if not (end and packed) or fields & {b"data file", b"datafile", b"byte skip", b"line skip"}:
        return
    try:
        unpacked_size(path, len(header) + len(end))
    except zlib.error as error:
        raise VolumeError(
            f"{path}: truncated or damaged ({error}); copy or download it again"
        ) from None


def _pieces(path: Path, offset: int) -> Iterator[bytes]:
    """What lies behind `offset` as zlib or gzip, which may be of several members, as bgzip and pigz write it."""
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
        raise zlib.error("the packed data end too soon")
