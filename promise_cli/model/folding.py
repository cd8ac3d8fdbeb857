"""Neighbouring linear maps as one small convolution: equal in exact arithmetic, a fraction of the work."""

import torch
from torch import Tensor

from promise_cli.model.convolution import convolve

_TAPS = ((((0, 1),), ((1, 0), (2, 1))), (((0, 0), (1, 1)), ((2, 0),)))
"""Per parity of the output and per tap of the folded kernel: pairs (tap of the 3-kernel, tap of the 2-kernel)."""


def upsampling_matrix(vit_patch: int, token_size: int) -> Tensor:
    """Linear interpolation of the `vit_patch` pixels of one token from its voxels and one neighbour on each side.

    The voxels of a token scale to exactly one pretrained patch, so every token sees the same matrix, whether
    `vit_patch / token_size` is whole (16 / 4) or not (14 / 4). Pixel r lies at voxel (r + 1/2) * token_size /
    vit_patch - 1/2 of its token (`align_corners=False`), and linear interpolation is a hat function of it.

    Returns:
        `(vit_patch, token_size + 2)` in float64; every row sums to one.
    """
    pixels = torch.arange(vit_patch, dtype=torch.float64)
    voxels = (pixels + 0.5) * token_size / vit_patch - 0.5
    taps = torch.arange(-1, token_size + 1, dtype=torch.float64)
    return (1 - (voxels[:, None] - taps).abs()).clamp(min=0)


def fold_patch_embedding(
    patch_weight: Tensor,
    patch_bias: Tensor,
    slice_weight: Tensor,
    slice_bias: Tensor,
    token_size: int,
) -> tuple[Tensor, Tensor]:
    """Trilinear upsampling, 2D patch embedding of equal channels and depth embedding as one 3D convolution.

    Args:
        patch_weight: `(C, 3, p, p)` of the 2D patch embedding, stride p.
        patch_bias: `(C,)`.
        slice_weight: `(C, 1, 1, 1, p)`, depth-wise, stride p.
        slice_bias: `(C,)`.
        token_size: Voxels per token; the stride of the result.

    Returns:
        Kernel `(C, 1, t, t, t)` with t = `token_size + 2`, and bias `(C,)`, for a volume padded by one voxel
        with copies of its border, which is what interpolation does there.
    """
    edge = patch_weight.shape[-1]
    up = upsampling_matrix(edge, token_size).to(patch_weight)
    plane = torch.einsum("pi,cpq,qj->cij", up, patch_weight.sum(dim=1), up)
    depth = slice_weight.reshape(-1, edge)
    kernel = plane[:, None, :, :, None] * (depth @ up)[:, None, None, None, :]
    return kernel, patch_bias * depth.sum(dim=1) + slice_bias


def fold_upsampled_conv(up_weight: Tensor, up_bias: Tensor, conv_weight: Tensor) -> Tensor:
    """A transposed convolution (kernel 2, stride 2) and the 3x3x3 convolution after it as one 2x2x2 convolution.

    Each of the eight voxels that grow out of one has its own kernel. The bias becomes a further input channel
    that holds ones, so that zero padding at the border stays exact.

    Args:
        up_weight: `(in, mid, 2, 2, 2)`.
        up_bias: `(mid,)`.
        conv_weight: `(out, mid, 3, 3, 3)`, zero padding of 1, no bias.

    Returns:
        `(8 * out, in + 1, 2, 2, 2)` for `convolve_upsampled`.
    """
    grown = torch.cat([up_weight, up_bias.reshape(1, -1, 1, 1, 1).expand(1, -1, 2, 2, 2)])
    product = torch.einsum("omabc,imxyz->oiabcxyz", conv_weight, grown)
    axis = product.new_zeros(2, 2, 3, 2)  # parity, tap, conv tap, transposed tap
    for parity, taps in enumerate(_TAPS):
        for tap, pairs in enumerate(taps):
            for conv_tap, up_tap in pairs:
                axis[parity, tap, conv_tap, up_tap] = 1
    kernel = torch.einsum("oiabcxyz,puax->oipubcyz", product, axis)
    kernel = torch.einsum("oipubcyz,qvby->oipuqvcz", kernel, axis)
    kernel = torch.einsum("oipuqvcz,rwcz->pqroiuvw", kernel, axis)
    return kernel.flatten(0, 3)


def convolve_upsampled(features: Tensor, kernel: Tensor) -> Tensor:
    """Apply `fold_upsampled_conv`'s kernel.

    Args:
        features: `(B, in + 1, H, W, D)`, the last channel of ones.
        kernel: `(8 * out, in + 1, 2, 2, 2)`.

    Returns:
        `(B, out, 2H, 2W, 2D)`.
    """
    batch, _, height, width, depth = features.shape
    grown = convolve(features, kernel, padding=1)
    grown = grown.unflatten(1, (2, 2, 2, -1))  # (B, 2, 2, 2, out, H + 1, W + 1, D + 1)
    parts = [
        grown[:, p, q, r, :, p : p + height, q : q + width, r : r + depth]
        for p in range(2)
        for q in range(2)
        for r in range(2)
    ]
    joined = torch.stack(parts, dim=-1).unflatten(-1, (2, 2, 2))
    return joined.permute(0, 1, 2, 5, 3, 6, 4, 7).reshape(
        batch, -1, 2 * height, 2 * width, 2 * depth
    )
