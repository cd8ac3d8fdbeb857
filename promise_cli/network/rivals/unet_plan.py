"""Strides and kernels of a U-Net from patch size and spacing, as nnU-Net plans them.

The rules are those of nnU-Net v2's experiment planner (Isensee et al., Nature Methods 2021): halve each axis until its
feature map has four voxels, those of coarse spacing later, so that voxels become isotropic on the way down; and do not
convolve across an axis while its voxels are still twice as long as the shortest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MIN_FEATURE_MAP = 4
"""Voxels that an axis keeps at the bottom."""
CLOSE = 2.0
"""Spacings within this factor of the finest count as alike."""

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class UNetPlan:
    """A stage for each resolution, from the full one down."""

    strides: tuple[Triple, ...]
    """Stride of each stage's first convolution; (1, 1, 1) at full resolution."""
    kernels: tuple[Triple, ...]
    multiple: Triple
    """What a patch's edge along each axis must be a multiple of."""


def plan_unet(patch_size: Sequence[int], spacing: Sequence[float]) -> UNetPlan:
    """Plan the stages.

    Args:
        patch_size: Voxels along i, j, k.
        spacing: Millimetres along i, j, k.

    Returns:
        At least one stage; the last one convolves with 3 x 3 x 3.
    """
    size, width = list(patch_size), list(spacing)
    kernel = [1, 1, 1]
    strides, kernels, pools = [(1, 1, 1)], [], [0, 0, 0]
    while axes := _axes_to_halve(size, width):
        for axis in range(3):  # once an axis takes part in the convolution, it stays
            if width[axis] / min(width) < CLOSE:
                kernel[axis] = 3
        kernels.append(_triple(kernel))
        strides.append(_triple([2 if axis in axes else 1 for axis in range(3)]))
        for axis in axes:
            size[axis], width[axis] = math.ceil(size[axis] / 2), width[axis] * 2
            pools[axis] += 1
    kernels.append((3, 3, 3))
    return UNetPlan(tuple(strides), tuple(kernels), _triple([2**count for count in pools]))


def _axes_to_halve(size: Sequence[int], width: Sequence[float]) -> list[int]:
    """Choose the axes to halve: those that are long enough and whose spacing is within a factor 2 of the finest.

    A single axis is halved only where three times the smallest feature map is there.
    """
    long_enough = [axis for axis in range(3) if size[axis] >= 2 * MIN_FEATURE_MAP]
    if not long_enough:
        return []
    finest = min(width[axis] for axis in long_enough)
    axes = [axis for axis in long_enough if width[axis] / finest < CLOSE]
    if len(axes) == 1 and size[axes[0]] < 3 * MIN_FEATURE_MAP:
        return []
    return axes


def _triple(values: Sequence[int]) -> Triple:
    i, j, k = values
    return i, j, k
