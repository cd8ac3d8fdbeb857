"""Where an answer is wrong most deeply, found on the device that holds it, without making the host wait."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from promise_cli.prompts import BACKGROUND, FOREGROUND, PADDING

NEAR = 8
"""Voxels around a candidate, to each side, in which wrong voxels are counted."""


class ErrorClick(NamedTuple):
    """A click on an error."""

    voxel: Tensor
    """`(3,)` float32, voxels of the patch."""
    sign: Tensor
    """`()` int64: foreground, background, or padding where nothing is wrong."""


def deepest_error(target: Tensor, mask: Tensor, pick: float) -> ErrorClick:
    """Find the voxel that lies deepest inside what a mask misses or adds.

    A voxel's depth is the largest cube around it that is wrong in the same way throughout (chessboard distance); what
    lies outside the patch is not wrong. Of equally deep voxels those count that have the most voxels of the same error
    within `NEAR` voxels, and of these `pick` chooses one. The click is a foreground click if the deepest missed voxel
    lies at least as deep as the deepest added one, as in RITM (Sofiiuk et al., 2022). On a tie the kind of error with
    more voxels is clicked.

    `prompts.largest_error` instead clicks into the largest connected part, as a study of clicks does. Finding parts
    takes up to 700 ms on the host at 128^3, during which a graphics card would wait.

    Args:
        target: `(I, J, K)` booleans.
        mask: The answer, of the same shape and device.
        pick: Number from 0 to below 1 that chooses among equals.

    Returns:
        The click, on the same device. If the masks are equal, its sign is padding and its voxel is 0.
    """
    wrong = torch.stack([target & ~mask, mask & ~target])
    core, depth = _cores(wrong)
    counts = wrong.flatten(1).sum(dim=1)
    deeper = depth * (wrong[0].numel() + 1) + counts
    kind = (deeper[1] > deeper[0]).long()  # 0 missed, 1 added
    chosen = core.index_select(0, kind[None])[0]
    near = _count_near(wrong.index_select(0, kind[None])[0])
    near = near.masked_fill(~chosen, -1)
    best = (near == near.max()).flatten()
    order = best.cumsum(0, dtype=torch.int32)
    wanted = ((order[-1] * pick).int() + 1).minimum(order[-1])  # rounding may reach the end
    index = (best & (order == wanted)).int().argmax()
    _, height, depth_of_patch = target.shape
    plane = height * depth_of_patch
    voxel = torch.stack(
        [index // plane, index // depth_of_patch % height, index % depth_of_patch]
    ).float()
    sign = FOREGROUND + kind * (BACKGROUND - FOREGROUND)
    nothing = counts.sum() == 0
    return ErrorClick(voxel.masked_fill(nothing, 0), sign.masked_fill(nothing, PADDING))


def _cores(wrong: Tensor) -> tuple[Tensor, Tensor]:
    """Erode each of `(N, I, J, K)` booleans as often as something is left.

    Erosions by cubes add up, so the largest possible one is found bit by bit: half the patch first, then a quarter.

    Returns:
        What is left of each mask, all of it where it is empty, and by how many voxels it was eroded, `(N,)`.
    """
    depth = torch.zeros(len(wrong), dtype=torch.long, device=wrong.device)
    radius = 1 << (max(wrong.shape[1:]) // 2).bit_length()
    while radius := radius // 2:
        eroded = _erode(wrong, radius)
        is_left = eroded.flatten(1).any(dim=1)
        wrong = torch.where(is_left[:, None, None, None], eroded, wrong)
        depth = depth + radius * is_left
    return wrong, depth


def _erode(masks: Tensor, radius: int) -> Tensor:
    """Keep the voxels whose cube of `2 * radius + 1` voxels lies within their mask.

    Along each axis, the length that is known to lie within the mask is doubled until it is long enough.
    """
    width = 2 * radius + 1
    for axis in (1, 2, 3):
        if masks.shape[axis] < width:
            return torch.zeros_like(masks)
        covered, found = 1, masks
        while covered < width:
            step = min(covered, width - covered)
            length = found.shape[axis] - step
            found = found.narrow(axis, 0, length) & found.narrow(axis, step, length)
            covered += step
        margins = [0] * 6
        margins[2 * (3 - axis)] = margins[2 * (3 - axis) + 1] = radius
        masks = F.pad(found, margins)
    return masks


def _count_near(wrong: Tensor) -> Tensor:
    """Count the true voxels of `(I, J, K)` in the cube that reaches `NEAR` voxels to each side of every voxel."""
    counts = wrong.int()
    for axis in range(3):
        margins = [0] * 6
        margins[2 * (2 - axis)], margins[2 * (2 - axis) + 1] = NEAR + 1, NEAR
        sums = F.pad(counts, margins).cumsum(axis, dtype=torch.int32)
        length = counts.shape[axis]
        counts = sums.narrow(axis, 2 * NEAR + 1, length) - sums.narrow(axis, 0, length)
    return counts
