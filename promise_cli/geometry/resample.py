"""Trilinear resampling from a scan's grid to the plan's spacing and back, without drift.

The target grid covers exactly the extent of the scan. Its shape is rounded once, and both directions use the same two
shapes. Index x of an axis with n voxels therefore means index (x + 0.5) N / n - 0.5 of the same axis with N voxels.
The authors' code rounds in each direction separately and loses up to a voxel at the far edge.

Trilinear interpolation consists of three linear interpolations. They are done plane by plane in memory order, so that
only two planes are held in memory besides the array and the result. SimpleITK's filter takes several times as long and
needs two more copies of the scan (docs/benchmarks.md).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from promise_cli.geometry.box import bounding_box, memory_order
from promise_cli.geometry.grid import Grid, Shape, Spacing

Volume32 = NDArray[np.float32]
Finish = Callable[[Volume32], Volume32]
"""Function that is applied to each plane of the result before it is stored. It may work in place."""


def target_grid(grid: Grid, spacing: Spacing) -> Grid:
    """Make the grid that covers the extent of `grid` with a spacing as close as possible to `spacing` (mm).

    Each axis has at least one voxel.
    """
    pairs = zip(grid.shape, grid.spacing, spacing, strict=True)
    i, j, k = (max(1, round(n * old / new)) for n, old, new in pairs)
    ratio = np.array(grid.shape) / np.array((i, j, k))
    affine = grid.affine.copy()
    affine[:3, :3] = grid.affine[:3, :3] * ratio
    affine[:3, 3] = grid.world(0.5 * ratio - 0.5)
    return Grid((i, j, k), affine)


def resample(
    array: NDArray[Any], shape: Shape, finish: Finish | None = None, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Resample an array to another shape over the same extent, with trilinear interpolation.

    Samples beyond the centres of the outermost voxels get the values of these voxels.

    Args:
        array: Intensities of any type, (I, J, K). They are interpolated as float32.
        shape: Shape of the result.
        finish: Function that is applied to each plane of the result; None: the planes stay as they are.
        dtype: Type of the result.

    Returns:
        Array of `shape`, in the memory order of `array`. It is `array` itself if nothing has to be done.
    """
    if array.shape == shape and finish is None and array.dtype == dtype:
        return array
    step = np.array(array.shape) / np.array(shape)
    return _sample(array, 0.5 * step - 0.5, step, shape, finish, dtype)


def resample_mask(mask: NDArray[np.bool_], shape: Shape) -> NDArray[np.bool_]:
    """Resample a mask (I, J, K) to another shape over the same extent.

    A voxel belongs to the result if its trilinearly interpolated value exceeds one half. A mask that is thinner than
    the new voxels could vanish this way. It gets the new voxels that contain the centres of its old voxels instead.
    """
    resampled = np.zeros(shape, dtype=bool)
    box = bounding_box(mask)
    if box[0].start == box[0].stop:
        return resampled
    if mask.shape == shape:
        resampled[...] = mask
        return resampled
    # Only the box around the mask, widened by one voxel, is resampled: outside of it all values are 0.
    lower = np.array([max(span.start - 1, 0) for span in box])
    upper = np.array([min(span.stop + 1, n) for span, n in zip(box, mask.shape, strict=True)])
    step = np.array(mask.shape) / np.array(shape)
    first = np.where(lower == 0, 0, np.floor((lower + 0.5) / step - 0.5)).astype(int)
    last = np.where(upper == mask.shape, shape, np.ceil((upper - 0.5) / step + 0.5)).astype(int)
    first, last = np.maximum(first, 0), np.minimum(last, shape)
    inside = mask[tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))]
    start = (first + 0.5) * step - 0.5 - lower
    size = (int(last[0] - first[0]), int(last[1] - first[1]), int(last[2] - first[2]))
    there = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    resampled[there] = _sample(inside, start, step, size) > 0.5
    if not resampled[there].any():
        centres = (np.argwhere(inside) + lower + 0.5) * np.array(shape) / np.array(mask.shape)
        resampled[tuple(centres.astype(int).T)] = True
    return resampled


def resample_window(
    window: Volume32, origin: tuple[int, int, int], grid_shape: Shape, scan_shape: Shape
) -> tuple[Volume32, tuple[slice, slice, slice]]:
    """Resample a window of the target grid to the scan's grid. Only voxels inside the window are computed.

    Args:
        window: Values in the window, (I, J, K). The window may reach beyond the target grid.
        origin: Index in the target grid of the window's first voxel; may be negative.
        grid_shape: Shape of the target grid, which has the plan's spacing.
        scan_shape: Shape of the scan.

    Returns:
        Values of the scan's voxels whose centres lie in the window, and the slices of the scan that these voxels fill.
        Both are empty if there is no such voxel.
    """
    step = np.array(grid_shape) / np.array(scan_shape)
    lower = np.ceil(np.array(origin) / step - 0.5 - 1e-9).astype(int)
    upper = np.ceil((np.array(origin) + np.array(window.shape)) / step - 0.5 - 1e-9).astype(int)
    lower, upper = np.maximum(lower, 0), np.minimum(upper, scan_shape)
    size = np.maximum(upper - lower, 0)
    i, j, k = (slice(int(a), int(a + n)) for a, n in zip(lower, size, strict=True))
    shape = (int(size[0]), int(size[1]), int(size[2]))
    if not size.all():
        return np.zeros(shape, dtype=np.float32), (i, j, k)
    return _sample(window, (lower + 0.5) * step - 0.5 - np.array(origin), step, shape), (i, j, k)


@dataclass(frozen=True)
class _Line:
    """Indices and weights of a linear interpolation along one axis."""

    before: NDArray[np.intp]
    """Index at or below each sample."""
    after: NDArray[np.intp]
    """Index after `before`, or the last one of the axis."""
    share: NDArray[np.float32]
    """Weight of `after`, from 0 to 1. The weight of `before` is 1 minus this."""

    @classmethod
    def along(cls, voxels: int, start: float, step: float, samples: int) -> "_Line":
        """Prepare samples at `start + step * n`, n from 0. A sample beyond the edge gets the nearest voxel's value."""
        place = np.clip(start + step * np.arange(samples), 0, voxels - 1)
        before = np.minimum(place.astype(np.intp), max(voxels - 2, 0))
        after = np.minimum(before + 1, voxels - 1)
        return cls(before, after, (place - before).astype(np.float32))


def _sample(
    array: NDArray[Any],
    start: ArrayLike,
    step: ArrayLike,
    shape: Shape,
    finish: Finish | None = None,
    dtype: DTypeLike = np.float32,
) -> NDArray[Any]:
    """Interpolate `array` at the indices `start + step * n` for n from 0 to `shape` - 1, with its edges repeated."""
    axes = memory_order(array)
    starts, steps = np.asarray(start)[axes], np.asarray(step)[axes]
    source = array.transpose(axes)
    lines = [
        _Line.along(n, float(a), float(b), shape[axis])
        for n, a, b, axis in zip(source.shape, starts, steps, axes, strict=True)
    ]
    result = np.empty([shape[axis] for axis in axes], dtype=dtype)
    for number, plane in enumerate(_planes(source, *lines)):
        result[number] = plane if finish is None else finish(plane)
    return result.transpose(np.argsort(axes))


def _planes(source: NDArray[Any], planes: _Line, rows: _Line, columns: _Line) -> Iterator[Volume32]:
    """Yield the planes of the result in order. Each plane of the source is interpolated at most once."""
    kept: dict[int, Volume32] = {}
    for before, after, share in zip(
        planes.before.tolist(), planes.after.tolist(), planes.share, strict=True
    ):
        kept = {number: plane for number, plane in kept.items() if number >= before}
        for number in (before, after):
            if number not in kept:
                kept[number] = _sample_plane(source[number], rows, columns)
        plane = kept[after] - kept[before]
        plane *= share
        plane += kept[before]
        yield plane


def _sample_plane(plane: NDArray[Any], rows: _Line, columns: _Line) -> Volume32:
    first = plane[rows.before].astype(np.float32)
    first += (plane[rows.after].astype(np.float32) - first) * rows.share[:, None]
    left = first.take(columns.before, axis=1)
    left += (first.take(columns.after, axis=1) - left) * columns.share
    return left
