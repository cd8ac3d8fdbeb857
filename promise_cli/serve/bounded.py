"""Reads what clients send. Sizes, shapes and types are checked before memory is taken for them."""

import io
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import format_bytes, shown
from promise_cli.geometry.grid import format_shape
from promise_cli.jobs import free_memory
from promise_cli.serve.refusal import RefusalError

MOST_JSON = 1 << 20
"""Largest number of bytes of a request in JSON."""
MOST_UPLOAD = 1 << 32
"""Largest number of bytes of an uploaded array, as sent."""
MOST_VOXELS = 1 << 30
"""Largest number of voxels of an uploaded array."""
LONGEST = 32767
"""Largest number of voxels along an axis."""
_KINDS = "biuf"
_NPY_HEADER = 4096
_TRUTHS = dict.fromkeys(("true", "1", "yes", "on"), True)
_TRUTHS |= dict.fromkeys(("false", "0", "no", "off"), False)

Fields = Mapping[str, Any]


def upload_limit() -> int:
    """Return how many bytes all requests together may send: a quarter of the free memory, at most `MOST_UPLOAD`."""
    return min(MOST_UPLOAD, free_memory() // 4)


def parse_fields(body: bytes) -> dict[str, Any]:
    """Parse a JSON object. An empty body counts as an empty object.

    Raises:
        RefusalError: The body is not a JSON object.
    """
    if not body:
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusalError(400, "the request is not JSON; send an object") from None
    if not isinstance(content, dict):
        raise RefusalError(400, "the request is not a JSON object")
    return content


def number_triple(value: Any, name: str) -> tuple[float, float, float]:
    """Check that a field holds three numbers between -1e9 and 1e9.

    Raises:
        RefusalError: The field holds something else.
    """
    good = isinstance(value, list | tuple) and len(value) == 3 and all(map(_is_number, value))
    if not good:
        raise RefusalError(422, f"{name}: three numbers are needed, found {shown(value)}")
    x, y, z = (float(one) for one in value)
    return x, y, z


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e9  # also False for NaN


def truth(value: Any, name: str) -> bool:
    """Check that a field is true or false.

    The words yes, no, on and off, and the numbers 0 and 1, count too, because forms and addresses hold text.

    Raises:
        RefusalError: The field holds something else.
    """
    found = _TRUTHS.get(str(value).strip().lower())
    if found is None:
        raise RefusalError(422, f"{name}: true or false is needed, found {shown(value)}")
    return found


def check_shape(shape: Sequence[int], dtype: np.dtype[Any], axes: Sequence[int] = (3,)) -> int:
    """Check the shape and type of an uploaded array, and return its size in bytes.

    Args:
        shape: Voxels along each axis.
        dtype: Type of the voxels.
        axes: Numbers of axes that the array may have.

    Raises:
        RefusalError: The array has another number of axes, is too large, or does not hold numbers.
    """
    if dtype.kind not in _KINDS or dtype.itemsize > 8:
        raise RefusalError(422, f"an array of type {shown(str(dtype))} is not a scan; send numbers")
    if len(shape) not in axes or not all(0 < n <= LONGEST for n in shape):
        raise RefusalError(422, f"an array of {format_shape(shape[:8])} is not a 3D scan")
    voxels = math.prod(shape)
    needed = voxels * dtype.itemsize
    if voxels > MOST_VOXELS or needed > free_memory() // 3:
        raise RefusalError(
            413, f"an array of {format_shape(shape)} ({format_bytes(needed)}) does not fit into"
            " the memory of the server"
        )  # fmt: skip
    return needed


def gunzip(packed: bytes, size: int) -> bytes:
    """Unpack gzip data that must hold exactly `size` bytes.

    Raises:
        RefusalError: The data are damaged or hold another number of bytes.
    """
    unpacked, rest = _gunzip_up_to(packed, size + 1)
    if len(unpacked) != size or rest:
        raise RefusalError(422, f"the gzip data do not hold the {size} bytes that were announced")
    return unpacked


def _gunzip_up_to(packed: bytes, most: int) -> tuple[bytes, bool]:
    """Unpack at most `most` bytes of gzip data. Return them, and whether there may be more."""
    machine = zlib.decompressobj(31)
    try:
        return machine.decompress(packed, most), not machine.eof
    except zlib.error:
        raise RefusalError(422, "the gzip data are damaged") from None


def read_npy(content: bytes, axes: Sequence[int] = (3,)) -> NDArray[Any]:
    """Read a `.npy` file, which may be packed with gzip. Nothing is unpickled.

    Raises:
        RefusalError: The file is damaged, too large, or not an array of numbers with one of these numbers of axes.
    """
    packed = content[:2] == b"\x1f\x8b"
    head = _gunzip_up_to(content, _NPY_HEADER)[0] if packed else content[:_NPY_HEADER]
    start, needed = _npy_size(head, axes)
    if packed:
        content = gunzip(content, start + needed)
    if len(content) != start + needed:
        raise RefusalError(422, f"the .npy file has {len(content)} of {start + needed} bytes")
    try:
        array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError):
        raise RefusalError(422, "the .npy file is damaged") from None
    return array


def _npy_size(head: bytes, axes: Sequence[int]) -> tuple[int, int]:
    """Return the position of the first voxel in a `.npy` file, and the number of bytes of all voxels."""
    file = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(file, max_header_size=_NPY_HEADER)
    except Exception:  # damaged headers make numpy raise errors of many kinds
        raise RefusalError(422, "the file is not a .npy file of numbers") from None
    return file.tell(), check_shape(shape, dtype, axes)
