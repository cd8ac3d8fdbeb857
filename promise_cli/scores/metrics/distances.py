"""How far two surfaces lie apart: HD95 and ASSD, exact, over the same nodes and areas as NSD."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.grid import Spacing
from promise_cli.scores.metrics.surface import Surface, is_surface

HD_FRACTION = 0.95


@dataclass(frozen=True)
class Distances:
    """Millimetres between two surfaces."""

    hd95_mm: float
    """The larger of the two distances within which 95 % of a surface's area lies from the other."""
    assd_mm: float
    """Mean over the area of both surfaces, pooled."""


def measure_distances(
    a: Surface, b: Surface, spacing: Spacing, axes: list[int], areas: NDArray[np.float64]
) -> Distances:
    """Distances between two surfaces, neither of them empty.

    HD95 equals `compute_robust_hausdorff(..., 95)` of google-deepmind/surface-distance. ASSD pools what its
    `compute_average_surface_distance` gives for either direction, as the mean over all of both surfaces.

    Args:
        a: A surface.
        b: Another one in the same scan.
        spacing: mm along the scan's axes.
        axes: The scan's axis that each of the surfaces' axes is.
        areas: (256,), mm2 by code.
    """
    from scipy.spatial import cKDTree  # noqa: PLC0415 - half a second that only these metrics need

    nodes = [np.argwhere(is_surface(surface.codes)) + surface.start for surface in (a, b)]
    weights = [areas[surface.codes[is_surface(surface.codes)]] for surface in (a, b)]
    steps = np.array(spacing)[axes]
    trees = [cKDTree(points * steps) for points in nodes]
    directed = []
    for own, tree, other in ((0, trees[1], nodes[1]), (1, trees[0], nodes[0])):
        _, nearest = tree.query(nodes[own] * steps)
        offsets = nodes[own] - other[nearest]
        # From whole numbers in the order of the scan's axes, as scipy's distance transform adds them.
        squares = [(offsets[:, axes.index(axis)] * spacing[axis]) ** 2 for axis in range(3)]
        directed.append(np.sqrt((squares[0] + squares[1]) + squares[2]))
    total = sum(float(d @ w) for d, w in zip(directed, weights, strict=True))
    return Distances(
        hd95_mm=max(_within(d, w) for d, w in zip(directed, weights, strict=True)),
        assd_mm=total / float(weights[0].sum() + weights[1].sum()),
    )


def _within(distances: NDArray[np.float64], areas: NDArray[np.float64]) -> float:
    """The distance within which 95 % of the area lies."""
    order = np.lexsort((areas, distances))
    share = np.cumsum(areas[order]) / areas[order].sum()
    index = min(int(np.searchsorted(share, HD_FRACTION)), len(order) - 1)
    return float(distances[order[index]])
