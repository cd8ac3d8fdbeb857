"""Converts between the axes of a client's array and those of the scan's file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.grid import Grid, Shape
from promise_cli.volume import ras_axes

Span = tuple[int, int]


@dataclass(frozen=True)
class ArrayAxes:
    """Order and direction of the axes of an array of a scan's voxels, relative to the axes of the scan's file."""

    order: tuple[int, int, int] = (0, 1, 2)
    """Axis of the file along which each axis of the array runs."""
    flipped: tuple[bool, bool, bool] = (False, False, False)
    """Whether each axis of the array runs backwards."""

    def array_of(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return a view of voxels (I, J, K) of the file, with the axes of the array."""
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)
        return stored.transpose(self.order)[steps]

    def stored_of(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view of the array's voxels with the axes of the file. This is the inverse of `array_of`."""
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)
        return array[steps].transpose(np.argsort(self.order))

    def shape_of(self, stored: Shape) -> Shape:
        """Return the shape of the array for a file of this shape."""
        i, j, k = (stored[axis] for axis in self.order)
        return i, j, k

    def stored_index(self, index: Sequence[float], stored: Shape) -> tuple[float, float, float]:
        """Convert an index into the array to a voxel (i, j, k) of the file.

        Args:
            index: Three numbers, whole or not. They may lie outside the array.
            stored: Shape of the file.
        """
        found = [0.0, 0.0, 0.0]
        for axis, flip, value in zip(self.order, self.flipped, index, strict=True):
            found[axis] = stored[axis] - 1 - value if flip else value
        return found[0], found[1], found[2]

    def index_of(self, voxel: Sequence[float], stored: Shape) -> tuple[float, float, float]:
        """Convert a voxel (i, j, k) of the file to an index into the array. This is the inverse of `stored_index`."""
        first, second, third = (
            stored[axis] - 1 - voxel[axis] if flip else voxel[axis]
            for axis, flip in zip(self.order, self.flipped, strict=True)
        )
        return first, second, third

    def spans(self, box: Sequence[Span], stored: Shape) -> tuple[Span, Span, Span]:
        """Convert a box of the file to a box of the array.

        Along each axis, a box is given by its first index and the first index after it.
        """
        first, second, third = (
            (stored[axis] - box[axis][1], stored[axis] - box[axis][0]) if flip else box[axis]
            for axis, flip in zip(self.order, self.flipped, strict=True)
        )
        return first, second, third


STORED = ArrayAxes()
"""Axes of the file itself."""
REVERSED = ArrayAxes((2, 1, 0))
"""Axes (k, j, i), as numpy arrays of SimpleITK and of 3D Slicer have them."""


def ras_array_axes(stored: Grid) -> ArrayAxes:
    """Return the axes of an array whose axes lie closest to right, anterior and superior."""
    transform = ras_axes(stored)
    first, second, third = np.argsort(transform[:, 0]).tolist()
    flips = [bool(transform[axis, 1] < 0) for axis in (first, second, third)]
    return ArrayAxes((first, second, third), (flips[0], flips[1], flips[2]))


def all_axes(array: Shape, stored: Shape) -> Iterator[ArrayAxes]:
    """Yield all orders and directions in which a file's voxels give an array of this shape.

    Axes without a flip come before all others. Among axes with the same flips, the file's own order comes first, and
    then (k, j, i).
    """
    orders = [(0, 1, 2), (2, 1, 0)]
    orders += [order for order in permutations(range(3)) if order not in orders]  # type: ignore[misc]
    for a, b, c in product((False, True), repeat=3):
        for order in orders:
            axes = ArrayAxes(order, (a, b, c))
            if axes.shape_of(stored) == array:
                yield axes
