"""3D convolution of one volume, kept on torch's fast path, and where autocast must not reach."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Layout = Literal["as_given", "contiguous", "channels_last"]
CUDA_LAYOUT: dict[Literal["dense", "depthwise"], Layout] = {
    "dense": "as_given",
    "depthwise": "as_given",
}
"""Order in memory in which convolutions on a CUDA GPU get their input: the channels of a voxel next to each other
(`channels_last`), the voxels of a channel (`contiguous`), or as the operation before left them. The results are equal.
Depth-wise convolutions are given channels last, dense ones contiguous. Which is fastest is not measured yet:
`experiments/gpu` measures all."""

_FAST_FROM = 20480
"""torch takes oneDNN for a single volume only above this product of its channels, H and W."""


def convolve(features: Tensor, weight: Tensor, padding: int) -> Tensor:
    """`F.conv3d` with stride 1 and zero padding, equal to it.

    On the CPU, torch leaves small single volumes to an unthreaded kernel that is tens of times
    slower, so their two halves go as a batch of two, each with the margin that the kernel reaches.

    Args:
        features: `(B, in, H, W, D)`.
        weight: `(out, in, k, k, k)`.
        padding: Voxels of zeros on every face.
    """
    batch, channels, height, width, _ = features.shape
    out = height + 2 * padding - weight.shape[2] + 1
    if (
        features.device.type != "cpu"
        or features.dtype != torch.float32
        or batch > 1
        or channels * height * width > _FAST_FROM
        or out < 2
    ):
        return F.conv3d(arranged(features, "dense"), weight, padding=padding)
    half = (out + 1) // 2
    reach = half + weight.shape[2] - 1
    padded = F.pad(features, (padding,) * 6)
    halves = torch.cat([padded[:, :, :reach], padded[:, :, -reach:]])
    first, second = F.conv3d(halves, weight).unbind(0)
    return torch.cat([first, second[:, 2 * half - out :]], dim=1)[None]


def arranged(features: Tensor, kind: Literal["dense", "depthwise"]) -> Tensor:
    """Features `(B, C, H, W, D)` in the order in memory that `CUDA_LAYOUT` names; unchanged on other devices."""
    layout = CUDA_LAYOUT[kind]
    if features.device.type != "cuda" or layout == "as_given":
        return features
    last = layout == "channels_last"
    return features.contiguous(
        memory_format=torch.channels_last_3d if last else torch.contiguous_format
    )


def full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Keep autocast out of a block that works on `tensor`'s device; the meta device has none."""
    if tensor.is_meta:
        return nullcontext()
    return torch.autocast(tensor.device.type, enabled=False)


class DepthwiseConv3d(nn.Conv3d):
    """Each channel with a kernel of its own; an odd edge, stride 1, padded so that the size stays.

    In training on the CPU it leaves autocast: oneDNN's gradient in bf16 is three times slower than in fp32
    (docs/benchmarks.md), and where the volume is smaller than the kernel, that of the weights adds up memory which
    nobody has set (torch 2.13 with channels last), from which one training in some became NaN.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(channels, channels, kernel, padding=kernel // 2, groups=channels)

    def forward(self, features: Tensor) -> Tensor:
        """`(B, C, I, J, K)` to the same, in fp32 where a CPU trains and in autocast's type elsewhere."""
        if features.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(arranged(features, "depthwise"))
        with full_precision(features):
            return super().forward(features.to(self.weight.dtype))
