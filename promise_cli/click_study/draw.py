"""Where a simulated person clicks.

`random` is the paper's click: uniform over the target, with repetition. `centre`, `boundary` and `margin` are the
regions of the authors' study of variability (arXiv 2311.07806): the target is split by averaging in the plane of the
slices. `largest-error` corrects: the middle of the largest part that is missed or added, as the CVPR 2025 challenge
of interactive segmentation does, but with distances in mm.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from promise_cli.bounding_box import bounding_box
from promise_cli.click_study.record import Region, SimulatedClick, Strategy
from promise_cli.grid import Spacing

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


def generator(seed: int, case_id: str, strategy: Strategy, trial: int) -> np.random.Generator:
    """The random numbers of one trial, the same whatever else is drawn."""
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


def draw_clicks(
    strategy: Strategy, target: Mask, through: int, rng: np.random.Generator, number: int
) -> tuple[SimulatedClick, ...]:
    """Clicks on the target that do not depend on any prediction.

    Args:
        strategy: Any but `largest-error`.
        target: (I, J, K), not empty.
        through: The axis across the slices.
        rng: Of the trial.
        number: Of clicks; the first of many are those that fewer would be.
    """
    box = bounding_box(target)
    regions = split_target(target[box], through)
    region = next(region for region in FALLBACKS[strategy] if regions[region].any())
    voxels = np.argwhere(regions[region]) + np.array([part.start for part in box])
    chosen = [voxels[rng.integers(len(voxels))].tolist() for _ in range(number)]
    return tuple(
        SimulatedClick(voxel=(i, j, k), foreground=True, region=region) for i, j, k in chosen
    )


def largest_error(
    target: Mask, prediction: Mask, spacing: Spacing, rng: np.random.Generator
) -> SimulatedClick | None:
    """A click in the middle of the largest part that is missed or added; None where nothing is.

    Args:
        target: (I, J, K).
        prediction: The same voxels; empty before the first click.
        spacing: mm along i, j, k.
        rng: Chooses among voxels that are equally deep.
    """
    missed, added = _largest_part(target & ~prediction), _largest_part(prediction & ~target)
    size = max(_size(missed), _size(added))
    if size == 0:
        return None
    foreground = _size(missed) == size
    found = missed if foreground else added
    assert found is not None
    part, start = found
    i, j, k = (_deepest(part, spacing, rng) + start).tolist()
    return SimulatedClick(
        voxel=(i, j, k), foreground=foreground, region="missed" if foreground else "added"
    )


def _largest_part(mask: Mask) -> tuple[Mask, NDArray[np.int64]] | None:
    """The largest of the parts that hang together by faces, edges or corners, and its first voxel."""
    from scipy import ndimage  # noqa: PLC0415

    if not mask.any():
        return None
    box = bounding_box(mask)
    parts, _ = ndimage.label(mask[box], structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax(), np.array([part.start for part in box])


def _size(part: tuple[Mask, NDArray[np.int64]] | None) -> int:
    return 0 if part is None else int(np.count_nonzero(part[0]))


def _deepest(part: Mask, spacing: Spacing, rng: np.random.Generator) -> NDArray[np.int64]:
    """The voxel farthest from all that does not belong to a part; beyond the array nothing does."""
    from scipy import ndimage  # noqa: PLC0415

    depth = ndimage.distance_transform_edt(np.pad(part, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    deepest = np.argwhere(depth >= depth.max() * (1 - 1e-9))
    voxel: NDArray[np.int64] = deepest[rng.integers(len(deepest))]
    return voxel
