"""3D convolutions that avoid slow kernels of torch, and a context manager that switches autocast off."""

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
"""Memory layout in which dense and depth-wise convolutions on a CUDA GPU get their input. The results are equal.

`channels_last` puts the channels of a voxel next to each other, and `contiguous` the voxels of a channel. `as_given`
keeps the layout in which the operation before left them: channels last for depth-wise convolutions, and contiguous for
dense ones. Which layout is fastest has not been measured yet. `experiments/gpu` measures all of them."""

_FAST_FROM = 20480
"""Product of channels, H and W above which torch convolves a single volume with oneDNN."""


def convolve(features: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Convolve with stride 1 and zero padding. The result equals that of `F.conv3d`.

    On the CPU, torch convolves a small single volume in one thread, which is tens of times slower. Therefore such a
    volume is cut in two halves, which are convolved as a batch of two. Each half includes the margin that the kernel
    reaches.

    Args:
        features: `(B, in, H, W, D)`.
        weight: `(out, in, k, k, k)`.
        padding: Number of zero voxels that are added on every face.

    Returns:
        `(B, out, H', W', D')`, where each edge changes by `2 * padding - k + 1`.
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
    """Return features `(B, C, H, W, D)` in the memory order of `CUDA_LAYOUT`, or unchanged if they are not on CUDA."""
    layout = CUDA_LAYOUT[kind]
    if features.device.type != "cuda" or layout == "as_given":
        return features
    last = layout == "channels_last"
    return features.contiguous(
        memory_format=torch.channels_last_3d if last else torch.contiguous_format
    )


def full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context manager that switches autocast off on the device of `tensor`.

    It does nothing on the meta device, which has no autocast.
    """
    if tensor.is_meta:
        return nullcontext()
    return torch.autocast(tensor.device.type, enabled=False)


class DepthwiseConv3d(nn.Conv3d):
    """A convolution in which each channel has its own kernel, with an odd edge and stride 1. The volume keeps its size.

    In training on the CPU it runs without autocast, for two reasons. The gradient of oneDNN is three times slower in
    bf16 than in fp32 (docs/benchmarks.md). If the volume is smaller than the kernel, the bf16 gradient of the weights
    also sums memory that was never initialised (torch 2.13 with channels last). Because of that, some trainings became
    NaN.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(channels, channels, kernel, padding=kernel // 2, groups=channels)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve `(B, C, I, J, K)` to the same shape. The type is fp32 in training on the CPU, else autocast's."""
        if features.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(arranged(features, "depthwise"))
        with full_precision(features):
            return super().forward(features.to(self.weight.dtype))
