"""Clicks of a simulated user.

* `random` is the paper's click. It is drawn uniformly over the target, with replacement.
* `centre`, `boundary` and `margin` are the regions of the authors' study of variability (arXiv 2311.07806). The study
  splits the target by averaging in the plane of the slices.
* `largest-error` corrects a mask. It clicks in the middle of the largest part that is missed or added. The CVPR 2025
  challenge of interactive segmentation does the same, but here distances are in mm.
"""

import numpy as np
from numpy.typing import NDArray

from promise_cli.evaluate.clicks.study_record import Region, SimulatedClick, Strategy
from promise_cli.geometry.box import bounding_box
from promise_cli.geometry.grid import Spacing
from promise_cli.prompts import largest_error, random_voxels

Mask = NDArray[np.bool_]

BOUNDARY_VOXELS, MARGIN_VOXELS = 3, 7
"""Edges, in voxels, of two squares around a voxel in the plane of the slices.

A target voxel is boundary if the smaller square does not lie within the target. It is margin if only the smaller one
does.
"""
FALLBACKS: dict[Strategy, tuple[Region, ...]] = {
    "random": ("target",),
    "centre": ("centre", "margin", "boundary"),
    "margin": ("margin", "boundary"),
    "boundary": ("boundary",),
}
"""Regions by strategy. If a small target has no voxels in the first region, the next one is used."""


def split_target(target: Mask, through: int) -> dict[Region, Mask]:
    """Return the target and its three regions. The regions share no voxels, and together they are the target.

    Args:
        target: (I, J, K).
        through: Axis perpendicular to the slices.
    """
    from scipy import ndimage  # noqa: PLC0415

    regions: dict[Region, Mask] = {"target": target}
    left = target
    for region, edge in (("boundary", BOUNDARY_VOXELS), ("margin", MARGIN_VOXELS)):
        size = [edge] * 3
        size[through] = 1
        inner = ndimage.minimum_filter(target, size=size, mode="constant", cval=0)
        regions["boundary" if region == "boundary" else "margin"] = left & ~inner
        left = left & inner
    regions["centre"] = left
    return regions


def simulate_clicks(
    strategy: Strategy, target: Mask, through: int, rng: np.random.Generator, number: int
) -> tuple[SimulatedClick, ...]:
    """Draw clicks on the target that do not depend on any prediction.

    Args:
        strategy: Any strategy other than `largest-error`.
        target: (I, J, K), not empty.
        through: Axis perpendicular to the slices.
        rng: Random generator of the trial.
        number: Number of clicks. If a generator with the same seed draws more clicks, they begin with the same ones.
    """
    box = bounding_box(target)
    regions = split_target(target[box], through)
    region = next(region for region in FALLBACKS[strategy] if regions[region].any())
    first = [part.start for part in box]
    return tuple(
        SimulatedClick(
            voxel=(i + first[0], j + first[1], k + first[2]), foreground=True, region=region
        )
        for i, j, k in random_voxels(regions[region], rng, number)
    )


def correct_largest_error(
    target: Mask, prediction: Mask, spacing: Spacing, rng: np.random.Generator
) -> SimulatedClick | None:
    """Place a click with `prompts.largest_error` and add its region; return None if the two masks are equal."""
    found = largest_error(target, prediction, spacing, rng)
    if found is None:
        return None
    region: Region = "missed" if found.foreground else "added"
    return SimulatedClick(voxel=found.voxel, foreground=found.foreground, region=region)
