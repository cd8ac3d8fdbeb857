"""Find the smallest box around all nonzero voxels of an array, in little more than one pass over its memory."""

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
    """Voxels within the bounding box, (I, J, K); a view of a bool mask. An empty mask gives 0 x 0 x 0 voxels."""
    start: Index
    """Index in the array of the first voxel of `inside`."""

    @property
    def stop(self) -> Index:
        """Index in the array, along each axis, just after the last voxel of `inside`."""
        i, j, k = (first + n for first, n in zip(self.start, self.inside.shape, strict=True))
        return i, j, k

    @property
    def box(self) -> Box:
        """The bounding box in the array."""
        i, j, k = (slice(first, last) for first, last in zip(self.start, self.stop, strict=True))
        return i, j, k

    @property
    def voxels(self) -> int:
        """Number of voxels of the mask."""
        return int(np.count_nonzero(self.inside))


def memory_order(array: NDArray[Any]) -> list[int]:
    """Sort the axes by the step between neighbours in memory, the largest first; nibabel's axis 0 has the smallest."""
    return np.argsort([-abs(stride) for stride in array.strides], kind="stable").tolist()


def crop_mask(mask: NDArray[Any]) -> Crop:
    """Cut a mask, (I, J, K) of bool or whole numbers, to its bounding box."""
    box = bounding_box(mask)
    inside = mask[box] if mask.dtype == bool else mask[box] != 0
    return Crop(inside, (box[0].start, box[1].start, box[2].start))


def bounding_box(array: NDArray[Any]) -> Box:
    """Find the box of all nonzero voxels of an (I, J, K) array. If all are 0, the box is empty and lies at voxel 0."""
    axes = memory_order(array)
    spans = _spans(array.transpose(axes))
    i, j, k = (spans[axes.index(axis)] for axis in range(3))
    return i, j, k


def joint_box(a: NDArray[Any], b: NDArray[Any]) -> Box:
    """Find the box of all voxels that are nonzero in either of two arrays of the same shape.

    The box is never empty. If all voxels are 0, it holds the first one.
    """
    i, j, k = (_join(*pair) for pair in zip(bounding_box(a), bounding_box(b), strict=True))
    return i, j, k


def count_common(a: Crop, b: Crop) -> int:
    """Count the voxels that two masks on the same grid share."""
    common = common_part(a.box, b.box)
    if common is None:
        return 0
    in_a, in_b = common
    return int(np.count_nonzero(a.inside[in_a] & b.inside[in_b]))


def common_part(a: Box, b: Box) -> tuple[Box, Box] | None:
    """Return where the voxels that two boxes share lie within each of the boxes; None if they share none."""
    spans = [(max(x.start, y.start), min(x.stop, y.stop)) for x, y in zip(a, b, strict=True)]
    if any(first >= last for first, last in spans):
        return None

    def within(box: Box) -> Box:
        i, j, k = (
            slice(first - whole.start, last - whole.start)
            for (first, last), whole in zip(spans, box, strict=True)
        )
        return i, j, k

    return within(a), within(b)


def _join(a: slice, b: slice) -> slice:
    """Join two spans into one that covers both. An empty span is ignored; if both are empty, the result is 0 to 1."""
    filled = [span for span in (a, b) if span.stop > span.start] or [slice(0, 1)]
    return slice(min(span.start for span in filled), max(span.stop for span in filled))


def _spans(array: NDArray[Any]) -> Box:
    """Find the bounding box of an array whose last axis has the smallest step in memory."""
    words = _view_words(array)
    # `max` over words of 8 bytes is limited only by the speed of the memory; numpy's `any` over bool is slower.
    span = _span(words.max(axis=1) != 0)
    shadow = np.bitwise_or.reduce(words[span], axis=0)
    kind = np.uint8 if array.dtype == bool else array.dtype
    rows = shadow.view(kind).reshape(array.shape[1:])
    across = _span(np.bitwise_or.reduce(_view_words(rows), axis=1) != 0)
    return span, across, _span(np.bitwise_or.reduce(rows[across], axis=0) != 0)


def _view_words(array: NDArray[Any]) -> NDArray[Any]:
    """View an array as (I, words), with words of 8 bytes where the length allows it and single bytes otherwise."""
    octets = np.ascontiguousarray(array).reshape(array.shape[0], -1).view(np.uint8)
    return octets if octets.shape[1] % 8 else octets.view(np.uint64)


def _span(found: NDArray[np.bool_]) -> slice:
    """Find the span from the first to the last true value; 0 to 0 if there is none."""
    indices = np.flatnonzero(found)
    return slice(int(indices[0]), int(indices[-1]) + 1) if indices.size else slice(0, 0)
