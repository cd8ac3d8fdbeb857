"""Plans strides and kernels of a U-Net from patch size and spacing, as nnU-Net does.

The rules are those of nnU-Net v2's experiment planner (Isensee et al., Nature Methods 2021). Each axis is halved as
long as its feature map keeps at least four voxels. Axes with coarse spacing are halved later, so that voxels become
isotropic on the way down. Kernels have edge 1 along an axis while its voxels are still at least twice as long as along
the finest axis.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MIN_FEATURE_MAP = 4
"""Smallest number of voxels along an axis that halving may leave."""
CLOSE = 2.0
"""Spacings that are below this multiple of the finest spacing are treated as equal to it."""

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class UNetPlan:
    """Stages of a U-Net, one for each resolution, from full resolution down."""

    strides: tuple[Triple, ...]
    """Stride of each stage's first convolution along i, j and k. It is (1, 1, 1) at full resolution."""
    kernels: tuple[Triple, ...]
    """Edges of each stage's kernels along i, j and k, in voxels."""
    multiple: Triple
    """For each axis, the number of voxels of which the patch's edge must be a multiple."""


def plan_unet(patch_size: Sequence[int], spacing: Sequence[float]) -> UNetPlan:
    """Plan the stages of a U-Net.

    Args:
        patch_size: Edges of the patch along i, j and k, in voxels.
        spacing: Voxel spacing along i, j and k, in mm.

    Returns:
        A plan with at least one stage. The last stage has kernels of 3 x 3 x 3.
    """
    size, width = list(patch_size), list(spacing)
    kernel = [1, 1, 1]
    strides, kernels, pools = [(1, 1, 1)], [], [0, 0, 0]
    while axes := _axes_to_halve(size, width):
        for axis in range(3):  # once a kernel has edge 3 along an axis, all later ones have it too
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
    """Choose the axes to halve: those that are long enough and whose spacing is below twice the finest one.

    A single axis is halved only if it has at least three times `MIN_FEATURE_MAP` voxels.
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
