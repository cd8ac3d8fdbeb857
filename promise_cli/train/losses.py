"""Structural loss (Dice and cross-entropy) and boundary-aware loss (paper, section 2)."""

import torch
import torch.nn.functional as F
from monai.losses import DiceLoss
from torch import Tensor

from promise_cli.network.recipe import LossConfig


def total_loss(
    logits: Tensor, target: Tensor, config: LossConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the weighted sum of losses that training minimises.

    Args:
        logits: `(B, 2, I, J, K)`, background and foreground.
        target: `(B, 1, I, J, K)`, 0 or 1.
        config: Weights and options.

    Returns:
        The loss, and its parts before weighting, detached: `dice`, `cross_entropy`, `boundary`.
        Each is a mean over the batch.
    """
    logits, target = logits.float(), target.float()
    parts = {
        "dice": dice_loss(logits, target),
        "cross_entropy": cross_entropy(logits, target),
        "boundary": boundary_loss(logits, target, config)
        if config.boundary_weight
        else logits.new_zeros(()),
    }
    loss = (
        config.dice_weight * parts["dice"]
        + config.cross_entropy_weight * parts["cross_entropy"]
        + config.boundary_weight * parts["boundary"]
    )
    return loss, {name: part.detach() for name, part in parts.items()}


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the soft Dice loss of the foreground, as a mean over samples. It is finite without foreground."""
    loss: Tensor = DiceLoss(include_background=False, softmax=True, to_onehot_y=True)(
        logits, target
    )
    return loss


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of background and foreground, as a mean over voxels."""
    return F.cross_entropy(logits, target[:, 0].long())


def boundary_loss(logits: Tensor, target: Tensor, config: LossConfig) -> Tensor:
    """Return the mean squared difference between the boundary maps of probabilities and target (equation 2).

    Args:
        logits: `(B, 2, I, J, K)`.
        target: `(B, 1, I, J, K)`, 0 or 1.
        config: Kernel, border, channels, and whether samples without foreground count.

    Returns:
        The mean over the batch. A sample without foreground adds zero unless `config` counts it.
    """
    probabilities = logits.softmax(dim=1)
    if config.boundary_channels == "foreground":
        probabilities = probabilities[:, 1:]
    counted = config.boundary_border == "counted"
    predicted = boundary_map(probabilities, config.boundary_kernel, counted)
    expected = boundary_map(target.to(probabilities), config.boundary_kernel, counted)
    per_sample = (predicted - expected).square().mean(dim=(1, 2, 3, 4))
    if not config.boundary_without_foreground:
        per_sample = per_sample * (target > 0).flatten(1).any(dim=1)
    return per_sample.mean()


def boundary_map(mask: Tensor, kernel: tuple[int, int, int], border_counted: bool) -> Tensor:
    """Return the smooth boundary `|M - average(M)|` of a mask M (paper, section 2).

    Args:
        mask: `(B, C, I, J, K)` float.
        kernel: Edges of the averaging box along i, j, k, in voxels; all odd.
        border_counted: Whether the average includes zeros outside the volume; otherwise only voxels inside count.

    Returns:
        `(B, C, I, J, K)`, zero away from boundaries.
    """
    average = mask
    for axis, edge in enumerate(kernel):  # a box average equals three averages, each along one axis
        average = F.avg_pool3d(
            average,
            [edge if a == axis else 1 for a in range(3)],
            stride=1,
            padding=[edge // 2 if a == axis else 0 for a in range(3)],
            count_include_pad=border_counted,
        )
    return torch.abs(mask - average)
