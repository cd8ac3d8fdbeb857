"""Block of voxels in a case. It may reach beyond the edge of the case."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.grid import Shape


class Sliceable(Protocol):
    """An array of numpy, or one on the disk of which slices are read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return a slice as an array of numpy."""


@dataclass(frozen=True)
class Patch:
    """Place and size of a block of voxels in a case."""

    origin: tuple[int, int, int]
    """Index in the case of the block's first voxel; may be negative."""
    shape: Shape

    @classmethod
    def centred(cls, ijk: Sequence[int], shape: Shape) -> "Patch":
        """Return the block whose voxel `shape // 2` is `ijk`, like the paper's single window."""
        i, j, k = (int(centre) - n // 2 for centre, n in zip(ijk, shape, strict=True))
        return cls((i, j, k), shape)

    def widened(self, margin: Sequence[int]) -> "Patch":
        """Return the block with `margin` more voxels on both sides of each axis."""
        i, j, k = (start - more for start, more in zip(self.origin, margin, strict=True))
        p, q, r = (n + 2 * more for n, more in zip(self.shape, margin, strict=True))
        return Patch((i, j, k), (p, q, r))

    def moved_into(self, shape: Shape) -> "Patch":
        """Return the block moved so that it lies inside a case of this shape.

        Along an axis on which the case is smaller than the block, the moved block covers all of the case.
        """
        i, j, k = (
            min(max(start, min(0, n - edge)), max(0, n - edge))
            for start, edge, n in zip(self.origin, self.shape, shape, strict=True)
        )
        return Patch((i, j, k), self.shape)

    def crop(self, array: Sliceable, fill: float = 0.0) -> NDArray[Any]:
        """Copy the block out of `array`. Voxels beyond the edge of `array` get the value `fill`.

        Args:
            array: `(I, J, K)`, or several channels `(C, I, J, K)`.
            fill: Value of voxels beyond the edge.

        Returns:
            Block of `shape`, after the same first axis if there are several channels.
        """
        *channels, i, j, k = array.shape
        block = np.full((*channels, *self.shape), fill, dtype=array.dtype)
        inside, there = self._overlap((i, j, k))
        source: Any = (..., *inside)
        target: Any = (..., *there)
        block[target] = array[source]
        return block

    def paste(self, block: NDArray[Any], array: NDArray[Any]) -> None:
        """Write `block` into `array` (I, J, K) in place. Voxels beyond the edge of `array` are dropped."""
        inside, there = self._overlap(array.shape)
        array[inside] = block[there]

    def inside(self, ijk: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Find which voxel indices `(N, 3)` of the case lie in the block; (N,) of bool."""
        local = ijk - np.array(self.origin)
        return np.all((local >= 0) & (local < np.array(self.shape)), axis=1)

    def _overlap(self, shape: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Find the slices of a case of this shape, and those of the block, that cover their common voxels."""
        inside, there = [], []
        for start, size, n in zip(self.origin, self.shape, shape, strict=True):
            lower, upper = min(max(start, 0), n), min(max(start + size, 0), n)
            inside.append(slice(lower, upper))
            there.append(slice(lower - start, upper - start) if upper > lower else slice(0, 0))
        return tuple(inside), tuple(there)
