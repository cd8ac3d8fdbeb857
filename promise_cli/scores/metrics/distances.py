"""Distances between two surfaces: HD95 and ASSD.

Both are exact, and are measured over the same nodes and areas as NSD.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.grid import Spacing
from promise_cli.scores.metrics.surface import Surface, is_surface

HD_FRACTION = 0.95


@dataclass(frozen=True)
class Distances:
    """Distances between two surfaces in mm, 0 or more; 0 if the surfaces are equal."""

    hd95_mm: float
    """95th percentile of the Hausdorff distance.

    For each surface, this is the distance to the other surface that 95 % of its area does not exceed. HD95 is the
    larger of the two.
    """
    assd_mm: float
    """Average symmetric surface distance: the mean distance to the other surface, over the pooled area of both."""


def measure_distances(
    a: Surface, b: Surface, spacing: Spacing, axes: list[int], areas: NDArray[np.float64]
) -> Distances:
    """Measure HD95 and ASSD between two surfaces, neither of which may be empty.

    HD95 equals `compute_robust_hausdorff(..., 95)` of google-deepmind/surface-distance. The function
    `compute_average_surface_distance` of that package gives one average for each direction. ASSD pools the two
    directions into one mean over the area of both surfaces.

    Args:
        a: One surface.
        b: The other surface, in the same scan.
        spacing: mm along the scan's axes.
        axes: The scan's axis for each axis of the surfaces.
        areas: (256,), the area in mm2 at a node, for each of the 256 codes in `Surface.codes`.

    Returns:
        Both distances in mm.
    """
    from scipy.spatial import cKDTree  # noqa: PLC0415 - it takes half a second to load

    nodes = [np.argwhere(is_surface(surface.codes)) + surface.start for surface in (a, b)]
    weights = [areas[surface.codes[is_surface(surface.codes)]] for surface in (a, b)]
    steps = np.array(spacing)[axes]
    trees = [cKDTree(points * steps) for points in nodes]
    directed = []
    for own, tree, other in ((0, trees[1], nodes[1]), (1, trees[0], nodes[0])):
        _, nearest = tree.query(nodes[own] * steps)
        offsets = nodes[own] - other[nearest]
        # The squares come from whole numbers and are added in the order of the scan's axes, as in scipy's distance
        # transform, so that both round alike.
        squares = [(offsets[:, axes.index(axis)] * spacing[axis]) ** 2 for axis in range(3)]
        directed.append(np.sqrt((squares[0] + squares[1]) + squares[2]))
    total = sum(float(d @ w) for d, w in zip(directed, weights, strict=True))
    return Distances(
        hd95_mm=max(_within(d, w) for d, w in zip(directed, weights, strict=True)),
        assd_mm=total / float(weights[0].sum() + weights[1].sum()),
    )


def _within(distances: NDArray[np.float64], areas: NDArray[np.float64]) -> float:
    """Return the distance within which 95 % of the area lies."""
    order = np.lexsort((areas, distances))
    share = np.cumsum(areas[order]) / areas[order].sum()
    index = min(int(np.searchsorted(share, HD_FRACTION)), len(order) - 1)
    return float(distances[order[index]])
