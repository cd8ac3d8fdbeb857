"""Find where an answer is wrong most deeply. The search runs on the answer's device, and the host does not wait."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from promise_cli.prompts import BACKGROUND, FOREGROUND, PADDING

NEAR = 8
"""Distance from one of the deepest voxels along each axis, in voxels, up to which wrong voxels are counted."""


class ErrorClick(NamedTuple):
    """A click on an error."""

    voxel: Tensor
    """Place in voxels of the patch, `(3,)` float32."""
    sign: Tensor
    """Sign of the click, `()` int64: foreground, background, or padding if nothing is wrong."""


def deepest_error(target: Tensor, mask: Tensor, pick: float) -> ErrorClick:
    """Find the voxel that lies deepest inside the voxels that a mask misses or adds.

    A voxel's depth is the radius of the largest cube around it in which all voxels are wrong in the same way
    (chessboard distance). No voxel outside the patch is wrong. Among equally deep voxels, the best are those with the
    most voxels of the same error within `NEAR` voxels. `pick` chooses one of the best.

    As in RITM (Sofiiuk et al., 2022), the kind of error that has the deeper voxel is clicked: a foreground click on
    missed voxels, a background click on added ones. If both kinds are equally deep, the one with more voxels is
    clicked. If both also have the same number of voxels, missed voxels are clicked.

    A study of clicks uses `prompts.largest_error` instead, which clicks into the largest connected part. Finding
    connected parts takes up to 700 ms on the host at 128^3, and a GPU would have to wait for it.

    Args:
        target: `(I, J, K)` booleans.
        mask: The answer, of the same shape and device.
        pick: Number from 0 to below 1 that chooses one of the best voxels.

    Returns:
        The click, on the same device. If mask and target are equal, its sign is padding and its voxel is 0.
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
    wanted = ((order[-1] * pick).int() + 1).minimum(order[-1])  # rounding may give one too many
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
    """Erode each mask of `(N, I, J, K)` booleans as far as possible without making it empty.

    Two erosions by cubes equal one erosion by the sum of their radii. Therefore the largest possible radius is found
    bit by bit: half the patch's edge is tried first, then a quarter, and so on.

    Returns:
        The eroded masks, and the radius in voxels by which each was eroded, `(N,)`. An empty mask stays as it is, with
        radius 0.
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

    Along each axis, it finds the places where a run of voxels lies within the mask. The length of the run is doubled
    until it reaches `2 * radius + 1`.
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
    """Count, for each voxel of `(I, J, K)`, the true voxels in the cube that reaches `NEAR` voxels to each side."""
    counts = wrong.int()
    for axis in range(3):
        margins = [0] * 6
        margins[2 * (2 - axis)], margins[2 * (2 - axis) + 1] = NEAR + 1, NEAR
        sums = F.pad(counts, margins).cumsum(axis, dtype=torch.int32)
        length = counts.shape[axis]
        counts = sums.narrow(axis, 2 * NEAR + 1, length) - sums.narrow(axis, 0, length)
    return counts
