"""Header of a `.b2nd` file: what it says about its array, and whether that is safe to open.

blosc2 opens many kinds of content, and makes room for what a header claims. Only files with one plain array pass.
"""

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promise_cli.dataset.prepare import MOST_VOXELS
from promise_cli.errors import format_bytes
from promise_cli.geometry.grid import format_shape

MOST_CHUNK = 1 << 26
"""Largest number of bytes of a chunk that is read. Ours have at most 2 MB."""
_HEADER = re.compile(
    rb"\x9e\xa8b2frame\0\xd2.{4}\xcf(?P<length>.{8})\xa4.{4}\xd3(?P<bytes>.{8})\xd3.{8}\xd2(?P<item>.{4})"
    rb"\xd2(?P<block>.{4})\xd2(?P<chunk>.{4})\xd1..\xd1..\xc2\xd8\x06.{16}\x93\xcd..\xde\x00\x01\xa4b2nd\xd2.{4}"
    rb"\xdc\x00\x01\xc6.{4}\x97\x00(?P<axes>[\x01-\x04])[\x91-\x94](?P<shape>(?:\xd3.{8}){1,4})"
    rb"[\x91-\x94](?P<chunks>(?:\xd2.{4}){1,4})[\x91-\x94](?P<blocks>(?:\xd2.{4}){1,4})"
    rb"\x00\xdb\x00\x00\x00\x03(?P<dtype><[fiu][248]|\|[iu]1)",
    re.DOTALL,
)
"""Header of a file with one array and nothing else. Lengths are big-endian; each begins with a byte for its type."""
_HEADER_BYTES = 512


@dataclass(frozen=True)
class Header:
    """What a file says about its array."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    blocks: tuple[int, ...]
    dtype: np.dtype[Any]
    sizes: tuple[int, int, int, int]
    """Bytes of all chunks, of a chunk, of a block and of an element."""

    @classmethod
    def read(cls, path: Path) -> "Header":
        """Read the header of a file.

        Raises:
            ValueError: It is not the header of a single array, or the file has another length than it says.
        """
        with path.open("rb") as file:
            found = _HEADER.match(file.read(_HEADER_BYTES))
            length = file.seek(0, 2)
        if found is None:
            raise ValueError(f"{path.name} is not an array that promise-preprocess wrote")
        (expected,) = struct.unpack(">Q", found["length"])
        if length != expected:
            raise ValueError(f"{path.name} has {length} bytes instead of {expected}")
        axes = found["axes"][0]
        shape, chunks, blocks = (
            tuple(number for (number,) in struct.iter_unpack(form, found[name]))
            for name, form in (("shape", ">xq"), ("chunks", ">xi"), ("blocks", ">xi"))
        )
        if {len(shape), len(chunks), len(blocks)} != {axes}:
            raise ValueError(f"{path.name} has a damaged header")
        (total,) = struct.unpack(">q", found["bytes"])
        small = (struct.unpack(">i", found[name])[0] for name in ("chunk", "block", "item"))
        chunk, block, item = small
        dtype = np.dtype(found["dtype"].decode("ascii"))
        return cls(shape, chunks, blocks, dtype, (total, chunk, block, item))

    def check(self, path: Path) -> None:
        """Refuse a header whose numbers contradict each other, or would need more memory than any case.

        Raises:
            ValueError: It is such a header.
        """
        if min(*self.shape, *self.chunks, *self.blocks) < 1:
            raise ValueError(f"{path.name} has a damaged header")
        if math.prod(self.shape[-3:]) > MOST_VOXELS:
            raise ValueError(
                f"{path.name} claims {format_shape(self.shape)} elements, which no case has"
            )
        item = self.dtype.itemsize
        padded = math.prod(map(_up, self.chunks, self.blocks)) * item
        if padded > MOST_CHUNK:
            raise ValueError(f"{path.name} claims chunks of {format_bytes(padded)}")
        count = math.prod(-(-n // chunk) for n, chunk in zip(self.shape, self.chunks, strict=True))
        if self.sizes != (count * padded, padded, math.prod(self.blocks) * item, item):
            raise ValueError(f"{path.name} has a damaged header")


def _up(number: int, step: int) -> int:
    """Round up to a multiple of `step`."""
    return -(-number // step) * step
