"""The smallest box around all nonzero voxels of an array, found in little more than one pass over the memory."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Index = tuple[int, int, int]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Crop:
    """A mask without the empty space around it."""

    inside: NDArray[np.bool_]
    """(I, J, K), a view of the mask where that is bool; 0 x 0 x 0 for an empty mask."""
    start: Index
    """Where its first voxel lies in the array."""

    @property
    def stop(self) -> Index:
        """One past its last voxel."""
        i, j, k = (first + n for first, n in zip(self.start, self.inside.shape, strict=True))
        return i, j, k

    @property
    def voxels(self) -> int:
        """How many are inside."""
        return int(np.count_nonzero(self.inside))


def memory_order(array: NDArray[Any]) -> list[int]:
    """The axes from the farthest to the nearest steps in memory; nibabel has axis 0 nearest."""
    return np.argsort([-abs(stride) for stride in array.strides], kind="stable").tolist()


def crop_mask(mask: NDArray[Any]) -> Crop:
    """Cut a mask, (I, J, K) of bool or whole numbers, to its bounding box."""
    box = bounding_box(mask)
    inside = mask[box] if mask.dtype == bool else mask[box] != 0
    return Crop(inside, (box[0].start, box[1].start, box[2].start))


def bounding_box(array: NDArray[Any]) -> Box:
    """The box of all that is not 0 in an (I, J, K) array; empty, at voxel 0, where all is 0."""
    axes = memory_order(array)
    spans = _spans(array.transpose(axes))
    i, j, k = (spans[axes.index(axis)] for axis in range(3))
    return i, j, k


def joint_box(a: NDArray[Any], b: NDArray[Any]) -> Box:
    """The box that holds all that is not 0 in either of two arrays of one shape; never empty."""
    i, j, k = (_join(*pair) for pair in zip(bounding_box(a), bounding_box(b), strict=True))
    return i, j, k


def count_common(a: Crop, b: Crop) -> int:
    """How many voxels two masks of the same array share."""
    start = tuple(max(pair) for pair in zip(a.start, b.start, strict=True))
    stop = tuple(min(pair) for pair in zip(a.stop, b.stop, strict=True))
    if any(first >= last for first, last in zip(start, stop, strict=True)):
        return 0
    parts = [
        crop.inside[
            tuple(
                slice(first - origin, last - origin)
                for first, last, origin in zip(start, stop, crop.start, strict=True)
            )
        ]
        for crop in (a, b)
    ]
    return int(np.count_nonzero(parts[0] & parts[1]))


def _join(a: slice, b: slice) -> slice:
    """Span from the start of the first to the end of the last of two spans; either may be empty."""
    filled = [span for span in (a, b) if span.stop > span.start] or [slice(0, 1)]
    return slice(min(span.start for span in filled), max(span.stop for span in filled))


def _spans(array: NDArray[Any]) -> Box:
    """`bounding_box` of an array whose last axis is nearest in memory."""
    words = _view_words(array)
    # As words and with `max` this runs at the speed of the memory; numpy's `any` of bool does not.
    span = _span(words.max(axis=1) != 0)
    shadow = np.bitwise_or.reduce(words[span], axis=0)
    kind = np.uint8 if array.dtype == bool else array.dtype
    rows = shadow.view(kind).reshape(array.shape[1:])
    across = _span(np.bitwise_or.reduce(_view_words(rows), axis=1) != 0)
    return span, across, _span(np.bitwise_or.reduce(rows[across], axis=0) != 0)


def _view_words(array: NDArray[Any]) -> NDArray[Any]:
    """(I, words): what each step along the first axis holds, as words of 8 bytes where they fit."""
    octets = np.ascontiguousarray(array).reshape(array.shape[0], -1).view(np.uint8)
    return octets if octets.shape[1] % 8 else octets.view(np.uint64)


def _span(found: NDArray[np.bool_]) -> slice:
    """Span from the first to the last true value; 0 to 0 where there is none."""
    indices = np.flatnonzero(found)
    return slice(int(indices[0]), int(indices[-1]) + 1) if indices.size else slice(0, 0)
