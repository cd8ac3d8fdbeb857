"""Compressed arrays of a case: `.b2nd` files of blosc2, from which a patch is read without the rest of the array.

An array is cut into chunks, and a chunk into blocks. A read unpacks the blocks that it touches, and no others. The
package blosc2 belongs to the extra `promise_cli[blosc2]`, and is imported only where such a file is written or read.
"""

import functools
import itertools
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.case_record import RECORD, CaseRecord
from promise_cli.dataset.compressed_header import Header
from promise_cli.disk.records import load_record
from promise_cli.errors import DatasetError, PackageError
from promise_cli.volume import file_stamps

OLDEST = (3, 8)
"""Oldest usable version of blosc2. Version 3.6 returns wrong voxels for parts of arrays with some shapes of blocks."""
_SMALLEST_BLOCK, _LARGEST_BLOCK = 16, 32
"""Smallest and largest edge of a block in voxels. 32^3 voxels of an image take 64 kB, which fit into the L2 cache."""
_LIST_CHUNK, _LIST_BLOCK = 1 << 16, 1 << 12
"""Numbers in a chunk and in a block of an array with one axis."""
_ZSTD_LEVEL = 1
"""Level of compression. Higher levels take up to fifteen times as long to write, and save 4 % of the bytes."""


class CompressedArray:
    """An array on the disk. An index reads its voxels, as that of a memory-mapped array does."""

    def __init__(self, path: Path, array: Any, leading: int = 0) -> None:
        """Wrap an open array.

        Args:
            path: The file, for messages.
            array: The array of blosc2.
            leading: Number of axes of length one that come before those of the file.
        """
        self._path, self._array, self._leading = path, array, leading
        self.dtype: np.dtype[Any] = array.dtype
        self.shape: tuple[int, ...] = (1,) * leading + tuple(array.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Read the elements of an index.

        Args:
            key: Whole numbers or slices for the axes, as for a numpy array; or None for the same array with one more
                axis in front, of which nothing is read yet. If there is such an axis, the index begins with `...`.

        Raises:
            DatasetError: The file is damaged.
        """
        if key is None:
            return CompressedArray(self._path, self._array, self._leading + 1)
        key = key if isinstance(key, tuple) else (key,)
        axes = len(self._array.shape)
        if key[0] is Ellipsis:
            key = (slice(None),) * (axes - len(key) + 1) + key[1:]
        elif self._leading:
            raise IndexError("an index of an array with an added axis begins with `...`")
        whole = tuple(
            part.indices(n) if isinstance(part, slice) else None
            for part, n in zip(key, self._array.shape, strict=False)
        )
        if any(part is not None and part[0] >= part[1] for part in whole):
            found = np.broadcast_to(np.zeros((), self.dtype), self._array.shape)[key]
        else:
            found = _unpacked(self._path, self._array, key)
        return found[(None,) * self._leading] if self._leading else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all elements.

        Raises:
            DatasetError: The file is damaged.
        """
        del copy  # what was read is always new
        found: NDArray[Any] = self[(..., *(slice(None),) * len(self._array.shape))]
        return found if dtype is None else found.astype(dtype, copy=False)

    def pieces(self) -> Iterator[NDArray[Any]]:
        """Read all elements, one chunk at a time.

        Raises:
            DatasetError: The file is damaged.
        """
        starts = (
            range(0, n, step) for n, step in zip(self._array.shape, self._array.chunks, strict=True)
        )
        for corner in itertools.product(*starts):
            ends = zip(corner, self._array.chunks, strict=True)
            yield self[tuple(slice(start, start + step) for start, step in ends)]


def _unpacked(path: Path, array: Any, key: tuple[Any, ...]) -> NDArray[Any]:
    try:
        return np.asarray(array[key])
    except (RuntimeError, ValueError) as error:
        raise DatasetError(
            f"{path}: damaged, it cannot be unpacked ({error}); run promise-preprocess again"
        ) from None


def save_compressed(path: Path, array: NDArray[Any], patch_size: int) -> bytes:
    """Compress an array without loss, and write it.

    The bytes are packed in memory, so that a full disk leads to the same error as for other files.

    Args:
        path: The file. Its name ends in `.b2nd`.
        array: The array; its last three axes are spatial, or it has one axis.
        patch_size: Edge in voxels of the patches that are likely to be read.

    Returns:
        The bytes of the file.
    """
    chunks, blocks = layout(array.shape, patch_size)
    blosc2 = library()
    packed = blosc2.asarray(
        np.ascontiguousarray(array),
        chunks=chunks,
        blocks=blocks,
        cparams={
            "codec": blosc2.Codec.ZSTD,
            "clevel": _ZSTD_LEVEL,
            "filters": [blosc2.Filter.SHUFFLE],
            "filters_meta": [0],
            "nthreads": 1,
        },
    )
    content: bytes = packed.to_cframe()
    path.write_bytes(content)
    return content


def layout(shape: tuple[int, ...], patch_size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose the shapes of chunks and blocks.

    The blocks at the border of a patch are unpacked although only a part of them is needed, so a block's edge is a
    quarter of the patch's. Much smaller blocks compress worse, and much larger ones leave the cache. A chunk holds two
    blocks along each axis. Both are evened out, so that the last ones of an axis are nearly as long as the others.

    Args:
        shape: Shape of the array: one axis, three spatial axes, or channels before these. A chunk holds one channel.
        patch_size: Edge of the patch in voxels.
    """
    if len(shape) == 1:
        chunk = min(shape[0], _LIST_CHUNK)
        return (chunk,), (min(chunk, _LIST_BLOCK),)
    edge = min(max(patch_size // 4, _SMALLEST_BLOCK), _LARGEST_BLOCK)
    spatial = [_even(n, 2 * edge) for n in shape[-3:]]
    channels = (1,) * (len(shape) - 3)
    return (*channels, *spatial), (*channels, *(_even(n, edge) for n in spatial))


def _even(length: int, edge: int) -> int:
    """Return the length of equal parts of an axis that are about as long as `edge`."""
    return math.ceil(length / max(1, round(length / edge)))


def open_compressed(path: Path) -> CompressedArray:
    """Open an array without reading its voxels.

    The header is checked before the library sees the file. It must be that of a single array: the library would also
    open other kinds of content. It must fit to the length of the file. The checksum in `case.json` must be that of the
    file, because a few damaged bytes can end the process within the library.

    Raises:
        ValueError: The file is truncated, is no such array, or claims a size that no case has.
        OSError: The file cannot be opened.
        PackageError: The package blosc2 is missing.
    """
    blosc2 = library()
    header = Header.read(path)
    header.check(path)
    _verify(path, tuple(file_stamps([path])))
    options = {"mode": "r", "dparams": {"nthreads": 1}}
    try:
        array = blosc2.open(str(path), mmap_mode="r", **options)
    except RuntimeError:  # a file system on which files cannot be mapped into memory
        array = blosc2.open(str(path), **options)
    if not isinstance(array, blosc2.NDArray) or array.shape != header.shape:
        raise ValueError(f"{path.name} is not an array that promise-preprocess wrote")
    return CompressedArray(path, array)


@functools.lru_cache(maxsize=1 << 16)
def _verify(path: Path, _stamps: tuple[object, ...]) -> None:
    """Compare a file with its checksum in `case.json`. A file is read once, as long as its stamps do not change.

    Processes that read samples are started after the cases were checked, and inherit what is known by then.

    Raises:
        ValueError: They differ, or there is no checksum.
        PlanError: There is no usable `case.json`.
    """
    expected = load_record(CaseRecord, path.with_name(RECORD)).checksums.get(path.name)
    found = 0
    with path.open("rb") as file:
        while content := file.read(1 << 20):
            found = zlib.crc32(content, found)
    if found != expected:
        raise ValueError(f"{path.name} does not have the checksum that {RECORD} gives")


@functools.cache
def library() -> Any:
    """Import blosc2, and let it use one thread. Cases are read and written by several processes already.

    Raises:
        PackageError: The package is missing or too old.
    """
    try:
        import blosc2  # noqa: PLC0415  0.7 s, and not installed everywhere
    except ImportError:
        found = "it is not installed"
    else:
        found = f"version {blosc2.__version__} is too old"
        if tuple(map(int, re.findall(r"\d+", blosc2.__version__)[:2])) >= OLDEST:
            blosc2.set_nthreads(1)
            return blosc2
    needed = ".".join(map(str, OLDEST))
    raise PackageError(
        f"cases stored as .b2nd need the package blosc2 {needed} or newer, but {found}; use pip install"
        " 'promise_cli[blosc2]'"
    )
