"""Cuts masks to their nonzero part, compares masks, and measures the longest diameter."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from promise_cli.geometry.box import bounding_box
from promise_cli.geometry.grid import Grid, Shape
from promise_cli.serve.array_axes import Span, ras_array_axes

Box = tuple[Span, Span, Span]
EMPTY: Box = ((0, 0), (0, 0), (0, 0))


@dataclass(frozen=True, eq=False)
class Region:
    """Values of lesions inside the smallest box that holds them, in the order of the scan's file."""

    box: Box
    """First index along each axis, and the first index after the box."""
    values: NDArray[np.uint8]
    """Value of each voxel in the box; 0 is background."""

    @classmethod
    def of(cls, mask: NDArray[np.uint8]) -> "Region":
        """Cut a mask (I, J, K) to the box around its nonzero voxels."""
        spans = bounding_box(mask)
        first, second, third = ((span.start, span.stop) for span in spans)
        return cls((first, second, third), np.ascontiguousarray(mask[spans]))

    def within(self, box: Box) -> NDArray[np.uint8]:
        """Return the values of the voxels in another box, which may be larger."""
        found = np.zeros([high - low for low, high in box], np.uint8)
        common = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(self.box, box, strict=True)]
        if all(low < high for low, high in common):
            into = tuple(slice(a - c, b - c) for (a, b), (c, _) in zip(common, box, strict=True))
            out = tuple(
                slice(a - c, b - c) for (a, b), (c, _) in zip(common, self.box, strict=True)
            )
            found[into] = self.values[out]
        return found

    def whole(self, shape: Shape) -> NDArray[np.uint8]:
        """Return the mask with all voxels of the scan."""
        i, j, k = shape
        return self.within(((0, i), (0, j), (0, k)))


NOTHING = Region(EMPTY, np.zeros((0, 0, 0), np.uint8))


def changed_box(before: Region, after: Region) -> Box | None:
    """Return the smallest box that holds all voxels in which two masks differ. None if there are none."""
    sides = [one for one in (before, after) if one.values.size]
    if not sides:
        return None
    first, second, third = (
        (min(one.box[axis][0] for one in sides), max(one.box[axis][1] for one in sides))
        for axis in range(3)
    )
    joint = (first, second, third)
    found = Region.of((before.within(joint) != after.within(joint)).view(np.uint8))
    if not found.values.size:
        return None
    low = [span[0] for span in joint]
    a, b, c = ((lo + shift, hi + shift) for (lo, hi), shift in zip(found.box, low, strict=True))
    return a, b, c


def longest_axial_mm(mask: NDArray[np.bool_], grid: Grid) -> float:
    """Measure the longest diameter of a mask within one axial slice, in mm, from outer edge to outer edge.

    Each connected part in a slice is measured on its own. The axial slices are those of the grid's axis that lies
    closest to the head-foot direction.

    Args:
        mask: Mask or part of a mask, in the order of `grid`.
        grid: Grid of the scan's file.
    """
    axes = ras_array_axes(grid)
    turned = mask.transpose(axes.order)
    right, front = (grid.affine[:3, axes.order[axis]] for axis in (0, 1))
    found = []
    for number in range(turned.shape[2]):
        parts, count = ndimage.label(turned[:, :, number], structure=np.ones((3, 3)))
        for part, box in enumerate(ndimage.find_objects(parts, count), 1):
            sides = [span.stop - span.start for span in box]
            ends = (sides[0] * right + sign * sides[1] * front for sign in (1, -1))
            found.append((max(float(np.linalg.norm(end)) for end in ends), part, parts[box]))
    longest = 0.0
    for most, part, parts in sorted(found, key=lambda one: -one[0]):
        # A scattered mask has hundreds of parts, of which only few can be the longest.
        if most <= longest:
            break
        longest = max(longest, _diameter(parts == part, right, front))
    return longest


def _diameter(plane: NDArray[np.bool_], right: NDArray[Any], front: NDArray[Any]) -> float:
    """Return the largest distance between two corners of nonzero pixels of a plane, in mm.

    Args:
        plane: Connected part of a slice.
        right: Edge of a pixel along the first axis, as a vector in mm.
        front: Edge of a pixel along the second axis, as a vector in mm.
    """
    rows = np.flatnonzero(plane.any(axis=1))
    first = plane[rows].argmax(axis=1)
    stop = plane.shape[1] - plane[rows, ::-1].argmax(axis=1)
    corners = np.concatenate(
        [np.stack([rows + step, ends], axis=1) for step in (0, 1) for ends in (first, stop)]
    )
    corners = corners[ConvexHull(corners).vertices]
    return float(pdist(corners[:, :1] * right + corners[:, 1:] * front).max())
