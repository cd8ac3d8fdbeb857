"""The surface of a mask as corner nodes, and the search for nodes that lie close to another surface.

The surface is that of google-deepmind/surface-distance. A node is a corner shared by 2 x 2 x 2 voxels. It belongs to
the surface if some of these eight voxels are inside the mask and some are not. All voxels beyond the array are outside.

NSD only asks whether a node lies within the tolerance. No distances are computed for it: the other surface is dilated
by a ball. If the ball is large and few nodes are spread over a large space, a tree of the nodes is searched instead.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.box import Crop, Index
from promise_cli.geometry.grid import Spacing
from promise_cli.scores.metrics.dilation import dilate

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Surface:
    """All corner nodes in a mask's bounding box."""

    codes: NDArray[np.uint8]
    """(I + 1, J + 1, K + 1) for I x J x K voxels. The bits of a code say which of the eight voxels around a node are
    inside the mask.
    """
    start: Index
    """Index of the first node. Node (i, j, k) lies between voxels (i - 1, j - 1, k - 1) and (i, j, k)."""

    @property
    def stop(self) -> Index:
        """Index one past the last node along each axis."""
        i, j, k = (first + n for first, n in zip(self.start, self.codes.shape, strict=True))
        return i, j, k

    def counts(self) -> Counts:
        """Return the number of surface nodes of each code, (256,)."""
        return count_codes(self.codes[is_surface(self.codes)])

    def within(self, other: "Surface", radius: Index) -> "Surface":
        """Return the part of this box that lies within `radius` nodes of the other's box; it may be empty."""
        start = [max(a, b - r) for a, b, r in zip(self.start, other.start, radius, strict=True)]
        stop = [min(a, b + r) for a, b, r in zip(self.stop, other.stop, radius, strict=True)]
        i, j, k = (
            slice(a - first, max(a, b) - first)
            for a, b, first in zip(start, stop, self.start, strict=True)
        )
        return Surface(self.codes[i, j, k], (start[0], start[1], start[2]))


@dataclass(frozen=True, eq=False)
class Ball:
    """All offsets between nodes whose length is at most a tolerance."""

    runs: NDArray[np.int64]
    """(R0 + 1, R1 + 1), the reach along axis 2 at offset (a, b), in nodes to either side; -1 where there is none."""
    spacing: Spacing
    """mm along the ball's own axes."""
    tolerance_mm: float

    @property
    def radius(self) -> Index:
        """Largest offset along each axis, in nodes."""
        return self.runs.shape[0] - 1, self.runs.shape[1] - 1, int(self.runs[0, 0])

    def holds(self, offsets: NDArray[np.int64]) -> Mask:
        """Return whether each offset lies in the ball, (N,). Offsets (N, 3) count nodes along the ball's axes."""
        a, b, c = np.abs(offsets).T
        fits = (a < self.runs.shape[0]) & (b < self.runs.shape[1])
        fits[fits] = c[fits] <= self.runs[a[fits], b[fits]]
        return fits


def extract_surface(mask: Crop) -> Surface:
    """Encode the nodes around a mask.

    Of the bits of a code, 128 is the voxel on the low side of all axes, and 1 the voxel on the high side of all axes.
    """
    i, j, k = (n + 2 for n in mask.inside.shape)
    codes = np.zeros((i, j, k), dtype=np.uint8)
    codes[1:-1, 1:-1, 1:-1] = mask.inside
    shifted = np.empty_like(codes)
    # The neighbour along an axis is a fixed step ahead in memory. Values that wrap around are cut off below.
    for bits, step in ((1, 1), (2, k), (4, j * k)):
        np.left_shift(codes, bits, out=shifted)
        shifted.ravel()[:-step] |= codes.ravel()[step:]
        codes, shifted = shifted, codes
    return Surface(codes[:-1, :-1, :-1], mask.start)


def is_surface(codes: NDArray[np.uint8]) -> Mask:
    """Return whether each node has voxels both outside and inside: its code is neither 0 nor 255."""
    return codes + np.uint8(1) > 1


def count_codes(codes: NDArray[np.uint8]) -> Counts:
    """Return how often each code occurs, (256,)."""
    return np.bincount(codes, minlength=NUM_CODES)


# The labels of a case share their spacing, and so do many cases of a dataset.
@lru_cache(maxsize=64)
def make_ball(
    spacing: Spacing, tolerance_mm: float, axes: tuple[int, ...] = (0, 1, 2), limit: int = 2**15
) -> Ball:
    """Find all offsets of at most `tolerance_mm`, decided in float64.

    Distances on a lattice can be equal to the tolerance: five voxels of 0.8 mm are 4 mm. The last bit of a length can
    therefore decide. The length is sqrt(((a s0)^2 + (b s1)^2) + (c s2)^2) in the order of the scan's axes, since
    scipy's distance transform adds the squares in this order.

    Args:
        spacing: mm along the scan's axes.
        tolerance_mm: Tolerance in mm, 0 or more.
        axes: The scan's axis for each axis of the ball.
        limit: Longest offset along an axis that is ever asked for, in nodes.
    """
    steps = [spacing[axis] for axis in axes]
    reach = [min(limit, int(tolerance_mm / step) + 1) for step in steps]
    a, b = np.ogrid[: reach[0] + 1, : reach[1] + 1]
    rest = np.maximum(tolerance_mm**2 - (a * steps[0]) ** 2 - (b * steps[1]) ** 2, 0.0)
    # The formula may be one off where a length is equal to the tolerance, so the neighbours are tried too.
    guess = (np.sqrt(rest) / steps[2]).astype(np.int64)
    runs = np.full(guess.shape, -1)
    for run in (guess - 1, guess, guess + 1):
        squares = {
            axis: (offset * step) ** 2
            for axis, offset, step in zip(axes, (a, b, run), steps, strict=True)
        }
        fits = np.sqrt((squares[0] + squares[1]) + squares[2]) <= tolerance_mm
        runs = np.where(fits & (run >= 0), np.minimum(run, limit), runs)
    runs = runs[: (runs[:, 0] >= 0).sum(), : (runs[0] >= 0).sum()]
    return Ball(runs, (steps[0], steps[1], steps[2]), tolerance_mm)


def count_near(own: Surface, other: Surface, ball: Ball) -> Counts:
    """Count by code, (256,), the surface nodes of `own` that have a surface node of `other` inside the ball."""
    target = own.within(other, ball.radius)
    source = other.within(target, ball.radius)
    if target.codes.size == 0 or source.codes.size == 0:
        return np.zeros(NUM_CODES, dtype=np.int64)
    wanted, present = is_surface(target.codes), is_surface(source.codes)
    i, j, k = (a - b for a, b in zip(target.start, source.start, strict=True))
    find = search_tree if _tree_is_faster(wanted, present, ball) else search_bits
    return count_codes(target.codes[find(wanted, present, (i, j, k), ball)])


def search_bits(wanted: Mask, present: Mask, offset: Index, ball: Ball) -> Mask:
    """Find by dilation which `wanted` nodes have a `present` node in the ball around them.

    Args:
        wanted: (T0, T1, T2), true for the nodes to test.
        present: (S0, S1, S2), true for the nodes to find.
        offset: First node of `wanted`, counted from the first node of `present`.
        ball: Ball of the tolerance, along the same axes.

    Returns:
        (T0, T1, T2), true for each wanted node with a present node in its ball.
    """
    i, j, k = wanted.shape
    return wanted & dilate(present, ball.runs, offset, (i, j, k))


def search_tree(wanted: Mask, present: Mask, offset: Index, ball: Ball) -> Mask:
    """Find the same nodes as `search_bits`, but with a tree of the `present` nodes."""
    from scipy.spatial import cKDTree  # noqa: PLC0415 - it takes half a second to load

    targets, sources = np.argwhere(wanted) + np.array(offset), np.argwhere(present)
    tree = cKDTree(sources * ball.spacing)
    # The tree rounds differently. It only proposes nodes, and the ball decides.
    reach = ball.tolerance_mm * (1 + 1e-9) + 1e-9
    distances, nearest = tree.query(targets * ball.spacing, distance_upper_bound=reach)
    proposed = np.flatnonzero(np.isfinite(distances))
    held = ball.holds(targets[proposed] - sources[nearest[proposed]])
    for n in np.flatnonzero(~held):
        target = targets[proposed[n]]
        around = tree.query_ball_point(target * ball.spacing, reach)
        held[n] = ball.holds(target - sources[around]).any()
    near = np.zeros_like(wanted)
    near[wanted] = np.isin(np.arange(len(targets)), proposed[held])
    return near


def _tree_is_faster(wanted: Mask, present: Mask, ball: Ball) -> bool:
    """Estimate from measured costs whether the tree is faster.

    Dilation takes 0.5 ns for each offset and word of 64 nodes. A tree takes 2 us for each node, and 0.5 s to load
    scipy.
    """
    columns = 4 * int((ball.runs >= 0).sum())
    rows = wanted.shape[0] * (wanted.shape[1] + ball.radius[1])
    words = rows * ((max(wanted.shape[2], present.shape[2]) + 2 * ball.radius[2]) // 64 + 1)
    bits_ns = 0.5 * words * columns
    return bits_ns > 5e8 + 2000 * (np.count_nonzero(wanted) + np.count_nonzero(present))


NUM_CODES = 256

_PATTERNS: tuple[tuple[int, tuple[tuple[int, int, int], ...]], ...] = (
    (0b00000001, ((1, 1, 1),)),
    (0b00000011, ((2, 2, 0), (2, 2, 0))),
    (0b00000110, ((1, 1, 1), (1, 1, 1))),
    (0b00000111, ((1, 1, 1), (2, 2, 2), (4, 0, 0))),
    (0b00001111, ((4, 0, 0), (4, 0, 0))),
    (0b00010110, ((1, 1, 1), (1, 1, 1), (1, 1, 1))),
    (0b00010111, ((1, 1, 1), (1, 1, 1), (2, 2, 2), (2, 2, 2))),
    (0b00011000, ((1, 1, 1), (1, 1, 1))),
    (0b00011001, ((0, 2, 2), (0, 2, 2), (1, 1, 1))),
    (0b00011011, ((0, 2, 2), (1, 1, 1), (2, 0, 2), (3, 3, 3))),
    (0b00011110, ((1, 1, 1), (1, 1, 1), (2, 2, 2), (4, 0, 0))),
    (0b00111100, ((2, 2, 0), (2, 2, 0), (2, 2, 0), (2, 2, 0))),
    (0b01101001, ((1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1))),
)
"""All ways in which a surface can cross a block of 2 x 2 x 2 voxels.

Ways that differ by rotation, mirroring, or exchange of inside and outside are listed once. The code comes first, with
one bit for each voxel: 128 for (0, 0, 0), 64 for (0, 0, 1), ... 1 for (1, 1, 1). The triangles of the surface follow.
Each is given by its normal, whose length is the triangle's area. Normals are in eighths of a block's faces.
"""


# The labels of a case share their spacing, and so do many cases of a dataset.
@lru_cache(maxsize=64)
def surface_areas(spacing: Spacing) -> NDArray[np.float64]:
    """Return the area in mm2 of the surface in a block of each code, (256,); 0 for the empty and the full block.

    Args:
        spacing: mm along the three axes of the array from which the codes come.
    """
    s0, s1, s2 = (float(value) for value in spacing)
    faces = np.array([s1 * s2, s0 * s2, s0 * s1])
    areas: NDArray[np.float64] = np.sqrt(((_normals() * faces) ** 2).sum(axis=-1)).sum(axis=-1)
    return areas


@cache
def _normals() -> NDArray[np.float64]:
    """Return each code's triangles as normals in block faces, (256, 4, 3); unused ones are zero."""
    normals = np.zeros((NUM_CODES, 4, 3))
    for pattern, triangles in _PATTERNS:
        base = np.zeros((4, 3))
        base[: len(triangles)] = np.array(triangles) / 8
        bits = np.array([pattern >> shift & 1 for shift in range(7, -1, -1)]).reshape(2, 2, 2)
        for axes, flips in product(permutations(range(3)), product((1, -1), repeat=3)):
            turned = bits[:: flips[0], :: flips[1], :: flips[2]].transpose(axes)
            code = int(np.packbits(turned.astype(np.uint8))[0])
            normals[[code, NUM_CODES - 1 - code]] = base[:, axes]
    return normals
