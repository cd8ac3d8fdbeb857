"""Turns boxes, scribbles and lassos of viewers into clicks, because the networks take nothing else."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from promise_cli.geometry.box import bounding_box
from promise_cli.serve.refusal import RefusalError

Point = tuple[int, int, int]

MOST_POINTS = 5
"""Largest number of clicks that stand for one scribble."""


def middle_of_box(lower: Sequence[float], upper: Sequence[float]) -> Point:
    """Return the voxel in the middle of a box, given its first and its last voxel."""
    i, j, k = (round((a + b) / 2) for a, b in zip(lower, upper, strict=True))
    return i, j, k


def points_along(scribble: NDArray[Any]) -> list[Point]:
    """Return voxels along a scribble, evenly distributed over its length.

    A short scribble, of less than three voxels for each click, gives fewer clicks.

    Args:
        scribble: Array (I, J, K) that is nonzero on the scribble.

    Raises:
        RefusalError: The scribble is empty.
    """
    places = _places(scribble)
    along = _order_along(places)
    count = max(1, min(MOST_POINTS, len(places) // 3))
    chosen = along[[(2 * number + 1) * len(places) // (2 * count) for number in range(count)]]
    return [(i, j, k) for i, j, k in chosen.tolist()]


def deepest_in(lasso: NDArray[Any]) -> list[Point]:
    """Return the voxel that lies deepest inside the region that a lasso encloses.

    Args:
        lasso: Array (I, J, K) that is nonzero on the outline, on the region, or on both.

    Raises:
        RefusalError: The lasso is empty.
    """
    _places(lasso)
    spans = bounding_box(lasso != 0)
    inside = lasso[spans] != 0
    thin = min(range(3), key=lambda axis: inside.shape[axis])
    planes = np.moveaxis(inside, thin, 0)
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in planes])
    depth = np.stack([ndimage.distance_transform_edt(np.pad(plane, 1)) for plane in filled])
    plane, row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    found = [int(row) - 1, int(column) - 1]
    found.insert(thin, int(plane))
    i, j, k = (span.start + index for span, index in zip(spans, found, strict=True))
    return [(i, j, k)]


def _places(mask: NDArray[Any]) -> NDArray[np.int64]:
    """Return the nonzero voxels (N, 3), and refuse a mask without any."""
    marked = mask != 0
    spans = bounding_box(marked)
    places = np.argwhere(marked[spans])
    if not len(places):
        raise RefusalError(422, "the stroke is empty; draw it on the target")
    return places + np.array([span.start for span in spans])


def _order_along(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sort voxels (N, 3) along the direction in which they extend furthest."""
    centred = places - places.mean(axis=0)
    _, _, directions = np.linalg.svd(
        centred[:: max(1, len(centred) // 10_000)], full_matrices=False
    )
    return places[np.argsort(centred @ directions[0], kind="stable")]
