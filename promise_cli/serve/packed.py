"""Packs arrays as nnInteractive's clients and servers send them: a short header, then chunks in blosc2 format."""

import struct
from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import shown
from promise_cli.serve.bounded import check_shape
from promise_cli.serve.refusal import RefusalError

_MAGIC, _VERSION, _ZSTD, _LZ4 = b"NNIA", 1, 1, 2
_MOST_CHUNK = 1 << 30
"""Largest number of bytes of a chunk before packing."""
_MOST_CHUNKS = 64
DTYPES = (
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
)  # fmt: skip
"""Names of the types that an array may have."""
_BLOSC_HEADER = 16
"""Number of bytes at the beginning of a chunk that give its lengths."""


def pack(array: NDArray[Any]) -> bytes:
    """Pack an array of any number of axes."""
    dtype = array.dtype.name.encode("ascii")
    raw = np.ascontiguousarray(array).tobytes()
    head = _MAGIC + bytes([_VERSION, _LZ4, array.ndim, len(dtype)]) + dtype
    head += struct.pack(f"<{array.ndim}q", *array.shape)
    pieces = [raw[at : at + _MOST_CHUNK] for at in range(0, len(raw), _MOST_CHUNK)]
    parts = [head, struct.pack("<I", len(pieces))]
    for piece in pieces:
        packed = blosc2.compress2(
            piece, typesize=array.dtype.itemsize, codec=blosc2.Codec.LZ4, clevel=5, nthreads=1
        )
        parts += [struct.pack("<QQ", len(piece), len(packed)), packed]
    return b"".join(parts)


def unpack(content: bytes, axes: tuple[int, ...]) -> NDArray[Any]:
    """Unpack an array. `axes` lists the numbers of axes that are possible. With four axes, the first one has length 1.

    Raises:
        RefusalError: The bytes are damaged, the array is too large, or it has another number of axes.
    """
    try:
        return _unpack(memoryview(content), axes)
    except (struct.error, IndexError, UnicodeDecodeError, TypeError):
        raise RefusalError(422, "the packed array is damaged") from None


def _unpack(content: memoryview, axes: tuple[int, ...]) -> NDArray[Any]:
    if bytes(content[:5]) != _MAGIC + bytes([_VERSION]) or content[5] not in (_ZSTD, _LZ4):
        raise RefusalError(422, "the body is not a packed array of nnInteractive, version 1")
    ndim, length = content[6], content[7]
    name = bytes(content[8 : 8 + length]).decode("ascii")
    if name not in DTYPES:
        raise RefusalError(
            422, f"the packed array is of type {shown(name)}; send {', '.join(DTYPES)}"
        )
    dtype = np.dtype(name)
    at = 8 + length
    shape = struct.unpack_from(f"<{ndim}q", content, at)
    at += 8 * ndim
    if ndim == 4 and 4 in axes and shape[0] != 1:
        raise RefusalError(422, f"the scan has {shape[0]} channels; send one channel")
    needed = check_shape(shape, dtype, axes)
    (count,) = struct.unpack_from("<I", content, at)
    at += 4
    if count > _MOST_CHUNKS:
        raise RefusalError(422, f"the packed array has {count} chunks")
    flat = np.empty(needed, np.uint8)
    place = 0
    for _ in range(count):
        raw, size = struct.unpack_from("<QQ", content, at)
        at += 16
        if raw > needed - place or size > len(content) - at:
            raise RefusalError(422, "the packed array is damaged: a chunk is longer than the array")
        _unpack_chunk(content[at : at + size], flat[place : place + raw])
        at, place = at + size, place + raw
    if place != needed or at != len(content):
        raise RefusalError(
            422, "the packed array is damaged: it holds fewer or more voxels than it says"
        )
    found: NDArray[Any] = flat.view(dtype).reshape(shape)
    return found


def _unpack_chunk(chunk: memoryview, into: NDArray[np.uint8]) -> None:
    """Unpack one chunk, whose own header must announce exactly the bytes that are expected."""
    if len(chunk) < _BLOSC_HEADER or not len(into):
        raise RefusalError(422, "the packed array is damaged: a chunk is too short")
    raw, _, size = struct.unpack_from("<iii", chunk, 4)
    if (raw, size) != (len(into), len(chunk)):
        raise RefusalError(
            422, "the packed array is damaged: a chunk has another length than announced"
        )
    try:
        blosc2.decompress2(bytes(chunk), dst=into, nthreads=1)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise RefusalError(422, f"the packed array is damaged ({type(error).__name__})") from None
