"""nnU-Net's plain U-Net: MONAI's `DynUNet` with the stages that nnU-Net plans."""

import math
from dataclasses import dataclass

from monai.networks.nets import DynUNet
from torch import nn

from promise_cli.network.architecture import NUM_CLASSES, Architecture, Setting
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.rivals.unet_plan import Triple, plan_unet

MAX_WIDTH = 320
MIN_STAGES = 3
"""MONAI's network has no fewer."""
LEAST_PATCH = 24
"""Has that many stages at any spacing: an axis alone, 24 > 12 > 6."""


@dataclass(frozen=True, kw_only=True)
class DynUNetConfig(PlainConfig):
    """Sizes of the U-Net, one entry a stage."""

    strides: tuple[Triple, ...]
    kernels: tuple[Triple, ...]
    widths: tuple[int, ...]
    """Channels: 32, doubled at each stage up to 320."""

    def __post_init__(self) -> None:
        if not len(self.strides) == len(self.kernels) == len(self.widths) >= MIN_STAGES:
            raise ValueError(
                f"{len(self.strides)} strides, {len(self.kernels)} kernels and {len(self.widths)} widths; give as many"
                f" of each, {MIN_STAGES} at least"
            )
        self.check_counts(widths=self.widths, strides=sum(self.strides, ()))
        if self.strides[0] != (1, 1, 1):
            raise ValueError(f"strides must begin with (1, 1, 1), found {self.strides[0]}")
        if any(edge < 1 or edge % 2 == 0 for kernel in self.kernels for edge in kernel):
            raise ValueError(f"kernels must have odd edges, found {self.kernels}")
        super().__post_init__()

    @property
    def multiple(self) -> int:
        """Product of all strides along each axis; the patch's edges are multiples of it."""
        return math.lcm(4, *self._shrunk)

    @property
    def least(self) -> int:
        """Instance norm needs two voxels at the bottom."""
        return max(self.multiple, 2 * min(self._shrunk))

    @property
    def _shrunk(self) -> Triple:
        i, j, k = (math.prod(axis) for axis in zip(*self.strides, strict=True))
        return i, j, k


def plan(setting: Setting) -> DynUNetConfig:
    """Stages by nnU-Net's rules, on a patch that can be halved so often."""
    first = 8 if setting.small else 32
    edge = max(setting.patch_size, LEAST_PATCH)
    planned = plan_unet((edge, edge, edge), setting.spacing)
    most = max(planned.multiple)
    return DynUNetConfig(
        **setting.shared(max(4, most), LEAST_PATCH),
        strides=planned.strides,
        kernels=planned.kernels,
        widths=tuple(min(first << stage, MAX_WIDTH) for stage in range(len(planned.strides))),
    )


def build(config: DynUNetConfig) -> nn.Module:
    """Instance norm and leaky ReLU, two convolutions a stage, no deep supervision."""
    return DynUNet(
        spatial_dims=3,
        in_channels=config.in_channels,
        out_channels=NUM_CLASSES,
        kernel_size=config.kernels,
        strides=config.strides,
        upsample_kernel_size=config.strides[1:],
        filters=config.widths,
        trans_bias=True,
    )


DYNUNET = Architecture("dynunet", DynUNetConfig, plan, build)
