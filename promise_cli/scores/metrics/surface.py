"""The surface of a mask as corner nodes, and which of them lie close to another surface.

The surface is that of google-deepmind/surface-distance: a node is a corner shared by 2 x 2 x 2
voxels, and belongs to the surface where some of the eight are inside and some are not; beyond the
array all is outside. NSD only asks whether a node lies within the tolerance, so no distances are
computed: the other surface is dilated by a ball. Where few nodes lie in a wide space and the ball
is large, a tree of the nodes is searched instead.
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
    """The corner nodes of a mask's bounding box."""

    codes: NDArray[np.uint8]
    """(I + 1, J + 1, K + 1) for I x J x K voxels: which of the eight round a node are inside."""
    start: Index
    """The first node; node (i, j, k) lies between voxels (i - 1, j - 1, k - 1) and (i, j, k)."""

    @property
    def stop(self) -> Index:
        """One past the last node."""
        i, j, k = (first + n for first, n in zip(self.start, self.codes.shape, strict=True))
        return i, j, k

    def counts(self) -> Counts:
        """(256,): how many surface nodes have each code."""
        return count_codes(self.codes[is_surface(self.codes)])

    def within(self, other: "Surface", radius: Index) -> "Surface":
        """The part of this box within `radius` nodes of another's box; it may be empty."""
        start = [max(a, b - r) for a, b, r in zip(self.start, other.start, radius, strict=True)]
        stop = [min(a, b + r) for a, b, r in zip(self.stop, other.stop, radius, strict=True)]
        i, j, k = (
            slice(a - first, max(a, b) - first)
            for a, b, first in zip(start, stop, self.start, strict=True)
        )
        return Surface(self.codes[i, j, k], (start[0], start[1], start[2]))


@dataclass(frozen=True, eq=False)
class Ball:
    """All offsets between nodes that are no longer than a tolerance."""

    runs: NDArray[np.int64]
    """(R0 + 1, R1 + 1): the reach along axis 2 at offset (a, b), to both sides; -1: none."""
    spacing: Spacing
    """mm along the ball's own axes."""
    tolerance_mm: float

    @property
    def radius(self) -> Index:
        """The farthest offset along each axis, in nodes."""
        return self.runs.shape[0] - 1, self.runs.shape[1] - 1, int(self.runs[0, 0])

    def holds(self, offsets: NDArray[np.int64]) -> Mask:
        """Whether each offset (N, 3), of nodes along the ball's axes, lies in the ball."""
        a, b, c = np.abs(offsets).T
        fits = (a < self.runs.shape[0]) & (b < self.runs.shape[1])
        fits[fits] = c[fits] <= self.runs[a[fits], b[fits]]
        return fits


def extract_surface(mask: Crop) -> Surface:
    """Encode the nodes round a mask: 128 for the voxel on the low side of all axes, ... 1 high."""
    i, j, k = (n + 2 for n in mask.inside.shape)
    codes = np.zeros((i, j, k), dtype=np.uint8)
    codes[1:-1, 1:-1, 1:-1] = mask.inside
    shifted = np.empty_like(codes)
    # The neighbour along an axis is a fixed step ahead in memory; what wraps round is cut off.
    for bits, step in ((1, 1), (2, k), (4, j * k)):
        np.left_shift(codes, bits, out=shifted)
        shifted.ravel()[:-step] |= codes.ravel()[step:]
        codes, shifted = shifted, codes
    return Surface(codes[:-1, :-1, :-1], mask.start)


def is_surface(codes: NDArray[np.uint8]) -> Mask:
    """Whether a node is neither wholly outside (code 0) nor wholly inside (255)."""
    return codes + np.uint8(1) > 1


def count_codes(codes: NDArray[np.uint8]) -> Counts:
    """(256,): how often each code occurs."""
    return np.bincount(codes, minlength=NUM_CODES)


@lru_cache(
    maxsize=64
)  # the labels of a case, and often the cases of a dataset, share their spacing
def make_ball(
    spacing: Spacing, tolerance_mm: float, axes: tuple[int, ...] = (0, 1, 2), limit: int = 2**15
) -> Ball:
    """The offsets of at most `tolerance_mm`, decided in float64.

    A lattice meets a tolerance exactly (five voxels of 0.8 mm are 4 mm), so the last bit counts:
    the length is sqrt(((a s0)^2 + (b s1)^2) + (c s2)^2) in the order of the scan's axes, as scipy's
    distance transform adds it.

    Args:
        spacing: mm along the scan's axes.
        tolerance_mm: 0 or more.
        axes: The scan's axis that each of the ball's axes is.
        limit: No offset longer than this many nodes along an axis is ever asked for.
    """
    steps = [spacing[axis] for axis in axes]
    reach = [min(limit, int(tolerance_mm / step) + 1) for step in steps]
    a, b = np.ogrid[: reach[0] + 1, : reach[1] + 1]
    rest = np.maximum(tolerance_mm**2 - (a * steps[0]) ** 2 - (b * steps[1]) ** 2, 0.0)
    # The formula may be one off where a lattice point meets the tolerance; neighbours are tried.
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
    """(256,): how many surface nodes of `own`, by code, have one of `other` inside the ball."""
    target = own.within(other, ball.radius)
    source = other.within(target, ball.radius)
    if target.codes.size == 0 or source.codes.size == 0:
        return np.zeros(NUM_CODES, dtype=np.int64)
    wanted, present = is_surface(target.codes), is_surface(source.codes)
    i, j, k = (a - b for a, b in zip(target.start, source.start, strict=True))
    find = search_tree if _tree_is_faster(wanted, present, ball) else search_bits
    return count_codes(target.codes[find(wanted, present, (i, j, k), ball)])


def search_bits(wanted: Mask, present: Mask, offset: Index, ball: Ball) -> Mask:
    """Which `wanted` nodes have a `present` node in the ball, by dilation.

    Args:
        wanted: (T0, T1, T2).
        present: (S0, S1, S2).
        offset: The first node of `wanted`, counted from the first of `present`.
        ball: Ball of the tolerance, along the same axes.
    """
    i, j, k = wanted.shape
    return wanted & dilate(present, ball.runs, offset, (i, j, k))


def search_tree(wanted: Mask, present: Mask, offset: Index, ball: Ball) -> Mask:
    """Do what `search_bits` does with a tree of the `present` nodes."""
    from scipy.spatial import cKDTree  # noqa: PLC0415 - half a second that few cases need

    targets, sources = np.argwhere(wanted) + np.array(offset), np.argwhere(present)
    tree = cKDTree(sources * ball.spacing)
    # The tree rounds differently, so it only proposes and the ball decides.
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

    0.5 ns for an offset and word of 64 nodes, 2 us for a node in a tree, 0.5 s to load scipy.
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
"""How a surface can cross a block, up to rotation, mirror and exchange of inside and outside.

The code has one bit per voxel: 128 for (0, 0, 0), 64 for (0, 0, 1), ... 1 for (1, 1, 1). Then come
the triangles, each as the normal whose length is its area, in eighths of a block's faces.
"""


@lru_cache(
    maxsize=64
)  # the labels of a case, and often the cases of a dataset, share their spacing
def surface_areas(spacing: Spacing) -> NDArray[np.float64]:
    """(256,) mm2: area of the surface in a block of each code; 0 for the empty and the full one.

    Args:
        spacing: mm along the three axes of the array from which the codes come.
    """
    s0, s1, s2 = (float(value) for value in spacing)
    faces = np.array([s1 * s2, s0 * s2, s0 * s1])
    areas: NDArray[np.float64] = np.sqrt(((_normals() * faces) ** 2).sum(axis=-1)).sum(axis=-1)
    return areas


@cache
def _normals() -> NDArray[np.float64]:
    """(256, 4, 3): each code's triangles as normals, in block faces; unused ones are zero."""
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
