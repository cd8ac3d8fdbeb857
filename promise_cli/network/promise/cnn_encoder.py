"""The complementary CNN, which keeps detail that tokens lose (paper, Fig. 2a)."""

import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.network.promise.convolution import convolve


class ConvBlock(nn.Module):
    """A 3x3x3 convolution without bias, followed by instance norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, 3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Convert `(B, in_channels, H, W, D)` to `(B, out_channels, H, W, D)`."""
        return F.relu(F.instance_norm(convolve(features, self.conv.weight, padding=1)))


class CNNEncoder(nn.Sequential):
    """Two convolution blocks for the image at half resolution, with stride 1 and without a pyramid.

    It converts `(B, channels, H, W, D)` to `(B, width, H, W, D)`.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(ConvBlock(channels, width), ConvBlock(width, width))
