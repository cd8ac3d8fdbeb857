"""Where a simulated person clicks.

`random` is the paper's click: uniform over the target, with repetition. `centre`, `boundary` and `margin` are the
regions of the authors' study of variability (arXiv 2311.07806): the target is split by averaging in the plane of the
slices. `largest-error` corrects: the middle of the largest part that is missed or added, as the CVPR 2025 challenge
of interactive segmentation does, but with distances in mm.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from promise_cli.evaluate.clicks.study_record import Region, SimulatedClick, Strategy
from promise_cli.geometry.box import bounding_box
from promise_cli.geometry.grid import Spacing
from promise_cli.prompts import largest_error

Mask = NDArray[np.bool_]

BOUNDARY_VOXELS, MARGIN_VOXELS = 3, 7
"""Edges of the squares that must lie within the target round a voxel that is not boundary, and not margin."""
FALLBACKS: dict[Strategy, tuple[Region, ...]] = {
    "random": ("target",),
    "centre": ("centre", "margin", "boundary"),
    "margin": ("margin", "boundary"),
    "boundary": ("boundary",),
}
"""Regions by strategy; the next is taken where a small target has none of the first."""


def trial_rng(seed: int, case_id: str, strategy: Strategy, trial: int) -> np.random.Generator:
    """Random generator of one trial; it does not depend on other trials."""
    key = hashlib.sha256(f"{seed}:{case_id}:{strategy}:{trial}".encode()).digest()
    return np.random.default_rng(np.frombuffer(key, dtype=np.uint32))


def split_target(target: Mask, through: int) -> dict[Region, Mask]:
    """The target and its three regions, which share no voxel and cover it.

    Args:
        target: (I, J, K).
        through: The axis across the slices.
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
    """Clicks on the target that do not depend on any prediction.

    Args:
        strategy: Any but `largest-error`.
        target: (I, J, K), not empty.
        through: The axis across the slices.
        rng: Random generator of the trial.
        number: Number of clicks; a smaller number gives the first ones of a larger.
    """
    box = bounding_box(target)
    regions = split_target(target[box], through)
    region = next(region for region in FALLBACKS[strategy] if regions[region].any())
    voxels = np.argwhere(regions[region]) + np.array([part.start for part in box])
    chosen = [voxels[rng.integers(len(voxels))].tolist() for _ in range(number)]
    return tuple(
        SimulatedClick(voxel=(i, j, k), foreground=True, region=region) for i, j, k in chosen
    )


def correct_largest_error(
    target: Mask, prediction: Mask, spacing: Spacing, rng: np.random.Generator
) -> SimulatedClick | None:
    """A click as `prompts.largest_error` places it, with its region."""
    found = largest_error(target, prediction, spacing, rng)
    if found is None:
        return None
    region: Region = "missed" if found.foreground else "added"
    return SimulatedClick(voxel=found.voxel, foreground=found.foreground, region=region)
