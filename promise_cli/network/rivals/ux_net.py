"""3D UX-Net (Lee et al., ICLR 2023, arXiv 2209.15076): like Swin UNETR, but with depth-wise convolutions.

Written from the paper. The encoder has a stem of stride 2 and four stages of blocks with 7^3 depth-wise convolutions
instead of attention. Convolutions of stride 2 lie between the stages. The decoder consists of UNETR's residual blocks,
which are taken from MONAI.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from promise_cli.network.architecture import NUM_CLASSES, Architecture, Setting
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.promise.convolution import DepthwiseConv3d
from promise_cli.network.rivals.channel_norm import ChannelNorm

EPSILON = 1e-6
MOST_EDGE = 31


@dataclass(frozen=True, kw_only=True)
class UXNetConfig(PlainConfig):
    """Sizes of 3D UX-Net."""

    MULTIPLE: ClassVar[int] = 16
    LEAST: ClassVar[int] = 32
    """Smallest edge of the patch, in voxels. Instance norm needs more than one voxel at 1/16 of the resolution."""

    widths: tuple[int, int, int, int] = (48, 96, 192, 384)
    """Channels of the stages, which work at 1/2, 1/4, 1/8 and 1/16 of the resolution."""
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    """Blocks of each stage."""
    kernel: int = 7
    """Edge of the depth-wise convolutions, in voxels."""
    layer_scale: float = 1e-6
    """Initial value of the learnt weight with which each block's branch is added to its skip connection."""

    def __post_init__(self) -> None:
        self.check_counts(widths=self.widths, depths=self.depths, kernel=self.kernel)
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, found {self.kernel}")
        if self.kernel > MOST_EDGE:
            raise ValueError(f"kernel must be at most {MOST_EDGE}, found {self.kernel}")
        super().__post_init__()


class UXBlock(nn.Module):
    """Block that computes x + scale * DCS(norm(depth-wise convolution(x))).

    DCS is the paper's depth-wise convolutional scaling. It replaces the MLP of a Swin block. Each channel is widened to
    four channels and narrowed again by grouped convolutions, so that different channels do not mix.
    """

    def __init__(self, width: int, kernel: int, layer_scale: float) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv3d(width, kernel)
        self.norm = ChannelNorm(width, EPSILON)
        self.widen = nn.Conv3d(width, 4 * width, 1, groups=width)
        self.narrow = nn.Conv3d(4 * width, width, 1, groups=width)
        self.scale = nn.Parameter(layer_scale * torch.ones(width))
        self.use_checkpoint = False

    def forward(self, features: Tensor) -> Tensor:
        """Transform `(B, C, I, J, K)`. The result has the same shape."""
        if self.use_checkpoint and torch.is_grad_enabled():
            return cast(Tensor, checkpoint(self._forward, features, use_reentrant=False))
        return self._forward(features)

    def _forward(self, features: Tensor) -> Tensor:
        scaled = self.narrow(nn.functional.gelu(self.widen(self.norm(self.depthwise(features)))))
        return features + self.scale[:, None, None, None] * scaled


class UXEncoder(nn.Module):
    """Encoder that computes features at 1/2, 1/4, 1/8 and 1/16 of the resolution."""

    def __init__(self, config: UXNetConfig) -> None:
        super().__init__()
        widths = config.widths
        stem = nn.Sequential(
            nn.Conv3d(config.in_channels, widths[0], 7, stride=2, padding=3),
            ChannelNorm(widths[0], EPSILON),
        )
        self.down = nn.ModuleList([stem])
        for before, after in pairwise(widths):
            self.down.append(
                nn.Sequential(ChannelNorm(before, EPSILON), nn.Conv3d(before, after, 2, stride=2))
            )
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(UXBlock(width, config.kernel, config.layer_scale) for _ in range(depth))
            )
            for width, depth in zip(widths, config.depths, strict=True)
        )
        self.norms = nn.ModuleList(ChannelNorm(width, EPSILON) for width in widths)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Convert an image `(B, C, I, J, K)` to four feature levels, the finest first."""
        levels, features = [], image
        for down, stage, norm in zip(self.down, self.stages, self.norms, strict=True):
            features = stage(down(features))
            levels.append(norm(features))
        return levels


class UXNet(nn.Module):
    """Encoder and decoder of 3D UX-Net, from an image to logits."""

    def __init__(self, config: UXNetConfig) -> None:
        from monai.networks.blocks import UnetrUpBlock  # noqa: PLC0415  MONAI takes two seconds to load

        super().__init__()
        first, *_ = widths = config.widths
        bottom = 2 * widths[-1]
        self.encoder = UXEncoder(config)
        inputs = (config.in_channels, *widths)
        outputs = (*widths, bottom)
        self.skips = nn.ModuleList(
            _residual(before, after) for before, after in zip(inputs, outputs, strict=True)
        )
        self.ups = nn.ModuleList(
            UnetrUpBlock(
                spatial_dims=3,
                in_channels=below,
                out_channels=beside,
                kernel_size=3,
                upsample_kernel_size=2,
                norm_name="instance",
                res_block=True,
            )
            for below, beside in zip(outputs[:0:-1], outputs[-2::-1], strict=True)
        )
        self.last = _residual(first, first)
        self.head = nn.Conv3d(first, NUM_CLASSES, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Convert an image `(B, C, I, J, K)` to logits `(B, 2, I, J, K)`."""
        levels = [image, *self.encoder(image)]
        *skips, features = [skip(level) for skip, level in zip(self.skips, levels, strict=True)]
        for up in self.ups:
            features = up(features, skips.pop())
        return self.head(self.last(features))


def _residual(before: int, after: int) -> nn.Module:
    from monai.networks.blocks import UnetrBasicBlock  # noqa: PLC0415  MONAI takes two seconds to load

    return UnetrBasicBlock(
        spatial_dims=3,
        in_channels=before,
        out_channels=after,
        kernel_size=3,
        stride=1,
        norm_name="instance",
        res_block=True,
    )


def plan(setting: Setting) -> UXNetConfig:
    """Return the paper's widths and depths, or smaller ones for the small network."""
    shared = setting.shared(UXNetConfig.MULTIPLE, UXNetConfig.LEAST)
    if setting.small:
        return UXNetConfig(**shared, widths=(8, 16, 32, 64), depths=(1, 1, 1, 1))
    return UXNetConfig(**shared)


UX_NET = Architecture("ux_net", UXNetConfig, plan, UXNet)
