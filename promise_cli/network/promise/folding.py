"""Neighbouring linear maps as one small convolution: the same result for a fraction of the work."""

import torch
import torch.nn.functional as F
from torch import Tensor


def upsampling_matrix(
    vit_patch: int, token_size: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Linear interpolation of one token's pixels from its voxels and one neighbour on each side.

    The voxels of a token scale to exactly one pretrained patch, so every token sees the same
    matrix, whether `vit_patch / token_size` is whole (16 / 4) or not (14 / 4). Pixel r lies at
    voxel (r + 1/2) * token_size / vit_patch - 1/2 of its token (`align_corners=False`), and linear
    interpolation is a hat function of that place.

    Returns:
        `(vit_patch, token_size + 2)` in float64, on MPS in float32; every row sums to one.
    """
    dtype = torch.float32 if torch.device(device).type == "mps" else torch.float64
    pixels = torch.arange(vit_patch, dtype=dtype, device=device)
    voxels = (pixels + 0.5) * token_size / vit_patch - 0.5
    taps = torch.arange(-1, token_size + 1, dtype=dtype, device=device)
    return (1 - (voxels[:, None] - taps).abs()).clamp(min=0)


def fold_patch_embedding(
    patch_weight: Tensor,
    patch_bias: Tensor,
    slice_weight: Tensor,
    slice_bias: Tensor,
    token_size: int,
) -> tuple[Tensor, Tensor]:
    """Trilinear upsampling, 2D patch embedding and depth embedding as one 3D convolution.

    The channels of the 2D image are copies of one another, so their weights add up.

    Args:
        patch_weight: `(C, 3, p, p)` of the 2D patch embedding, stride p.
        patch_bias: `(C,)`.
        slice_weight: `(C, 1, 1, 1, p)`, depth-wise, stride p.
        slice_bias: `(C,)`.
        token_size: Voxels per token; the stride of the result.

    Returns:
        Kernel `(C, 1, t, t, t)` with t = `token_size + 2`, and bias `(C,)`, for a volume padded by
        one voxel with copies of its border, which is what interpolation does there.
    """
    edge = patch_weight.shape[-1]
    up = upsampling_matrix(edge, token_size, patch_weight.device).to(patch_weight.dtype)
    plane = torch.einsum("pi,cpq,qj->cij", up, patch_weight.sum(dim=1), up)
    depth = slice_weight.reshape(-1, edge)
    kernel = plane[:, None, :, :, None] * (depth @ up)[:, None, None, None, :]
    return kernel, patch_bias * depth.sum(dim=1) + slice_bias


def fold_upsampled_conv(up_weight: Tensor, up_bias: Tensor, conv_weight: Tensor) -> Tensor:
    """A transposed convolution (kernel 2, stride 2) and the 3x3x3 convolution after it, as one.

    The result is a transposed convolution with kernel 4, which has 64 taps where the two have
    8 + 8 * 27. The bias becomes a further input channel that holds ones, so that the second
    convolution's zero padding stays exact.

    Args:
        up_weight: `(in, mid, 2, 2, 2)`.
        up_bias: `(mid,)`.
        conv_weight: `(out, mid, 3, 3, 3)`, zero padding of 1, no bias.

    Returns:
        `(in + 1, out, 4, 4, 4)`, for stride 2 and padding 1.
    """
    bias = up_bias.reshape(1, -1, 1, 1, 1).expand(1, -1, 2, 2, 2)
    return F.conv3d(torch.cat([up_weight, bias]), conv_weight, padding=2)
