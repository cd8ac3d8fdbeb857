"""Folds consecutive linear maps into one small convolution, which gives the same result with a fraction of the work."""

import torch
import torch.nn.functional as F
from torch import Tensor


def upsampling_matrix(
    vit_patch: int, token_size: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Return the matrix that interpolates a token's pixels from its voxels and one neighbour on each side.

    The voxels of a token are scaled up to exactly one pretrained patch. Therefore the matrix is the same for every
    token, whether `vit_patch / token_size` is whole (16 / 4) or not (14 / 4). Pixel r lies at voxel
    (r + 1/2) * token_size / vit_patch - 1/2 of its token (`align_corners=False`). Linear interpolation weighs each
    voxel with a hat function around this place.

    Args:
        vit_patch: Edge of the pretrained patch in pixels.
        token_size: Edge of a token in voxels.
        device: Where the matrix is made.

    Returns:
        `(vit_patch, token_size + 2)` in float64, on MPS in float32. Every row sums to one.
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
    mix: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Fold trilinear upsampling, 2D patch embedding and depth embedding into one 3D convolution.

    For an image of one channel, the three inputs of the 2D embedding are copies of it, so their weights are added up.
    Several channels are first mixed into the three inputs. This map is linear, too, so it is folded as well.

    Args:
        patch_weight: Weight of the 2D patch embedding, `(C, 3, p, p)`, with stride p.
        patch_bias: Bias of the 2D patch embedding, `(C,)`.
        slice_weight: Weight of the depth embedding, `(C, 1, 1, 1, p)`, depth-wise, with stride p.
        slice_bias: Bias of the depth embedding, `(C,)`.
        token_size: Edge of a token in voxels, which is the stride of the result.
        mix: Weight of each channel of the image in each input, `(3, channels)`. None if the image has one channel.

    Returns:
        Kernel `(C, channels, t, t, t)` with t = `token_size + 2`, and bias `(C,)`. The volume must be padded by one
        voxel with copies of its border, because interpolation extends the border in the same way.
    """
    edge = patch_weight.shape[-1]
    up = upsampling_matrix(edge, token_size, patch_weight.device).to(patch_weight.dtype)
    depth = slice_weight.reshape(-1, edge)
    if mix is None:
        plane = torch.einsum("pi,cpq,qj->cij", up, patch_weight.sum(dim=1), up)[:, None]
    else:
        mixed = torch.einsum("cspq,sn->cnpq", patch_weight, mix)
        plane = torch.einsum("pi,cnpq,qj->cnij", up, mixed, up)
    kernel = plane[..., None] * (depth @ up)[:, None, None, None, :]
    return kernel, patch_bias * depth.sum(dim=1) + slice_bias


def fold_upsampled_conv(up_weight: Tensor, up_bias: Tensor, conv_weight: Tensor) -> Tensor:
    """Fold a transposed convolution (kernel 2, stride 2) and the 3x3x3 convolution after it into one.

    The result is a transposed convolution with kernel 4. It has 64 taps, while the two together have 8 + 8 * 27. Its
    last input channel must hold ones, and its weights for this channel come from the bias. Therefore the bias does not
    reach into the zero padding of the second convolution, and the result stays exact.

    Args:
        up_weight: Weight of the transposed convolution, `(in, mid, 2, 2, 2)`.
        up_bias: Bias of the transposed convolution, `(mid,)`.
        conv_weight: Weight of the 3x3x3 convolution, `(out, mid, 3, 3, 3)`. It has zero padding of 1 and no bias.

    Returns:
        Weight `(in + 1, out, 4, 4, 4)`, for stride 2 and padding 1.
    """
    bias = up_bias.reshape(1, -1, 1, 1, 1).expand(1, -1, 2, 2, 2)
    return F.conv3d(torch.cat([up_weight, bias]), conv_weight, padding=2)
