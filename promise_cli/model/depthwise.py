"""Depth-wise 3D convolution whose training the CPU does well."""

import torch
from torch import Tensor, nn

from promise_cli.model.convolution import full_precision


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
            return super().forward(features)
        with full_precision(features):
            return super().forward(features.to(self.weight.dtype))
