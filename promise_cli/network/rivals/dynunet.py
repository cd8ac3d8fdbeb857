"""nnU-Net's plain U-Net, built as MONAI's `DynUNet` with the stages that nnU-Net plans."""

import math
from dataclasses import dataclass

from torch import nn

from promise_cli.network.architecture import NUM_CLASSES, Architecture, Setting
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.rivals.unet_plan import Triple, plan_unet

MAX_WIDTH = 320
"""Largest number of channels of a stage."""
MIN_STAGES = 3
"""Smallest number of stages of MONAI's network."""
MOST_EDGE = 15
"""Largest edge of a kernel, in voxels."""
LEAST_PATCH = 24
"""Smallest edge of the patch, in voxels. It gives `MIN_STAGES` stages at any spacing, because even a single axis is
halved twice: 24 > 12 > 6."""


@dataclass(frozen=True, kw_only=True)
class DynUNetConfig(PlainConfig):
    """Sizes of the U-Net, with one entry for each stage."""

    strides: tuple[Triple, ...]
    """Stride of each stage's first convolution along i, j and k. The first stage has (1, 1, 1)."""
    kernels: tuple[Triple, ...]
    """Edges of each stage's kernels along i, j and k, in voxels."""
    widths: tuple[int, ...]
    """Channels of each stage: 32 in the first one, doubled at each further stage, at most 320."""

    def __post_init__(self) -> None:
        if not len(self.strides) == len(self.kernels) == len(self.widths) >= MIN_STAGES:
            raise ValueError(
                f"{len(self.strides)} strides, {len(self.kernels)} kernels and {len(self.widths)} widths; give the"
                f" same number of each, at least {MIN_STAGES}"
            )
        self.check_counts(widths=self.widths, strides=sum(self.strides, ()))
        if self.strides[0] != (1, 1, 1):
            raise ValueError(f"strides must begin with (1, 1, 1), found {self.strides[0]}")
        if any(edge < 1 or edge % 2 == 0 for kernel in self.kernels for edge in kernel):
            raise ValueError(f"kernels must have odd edges, found {self.kernels}")
        if max(map(max, self.kernels)) > MOST_EDGE:
            raise ValueError(
                f"kernels must have edges of at most {MOST_EDGE}, found {self.kernels}"
            )
        super().__post_init__()

    @property
    def multiple(self) -> int:
        """Voxels of which the patch's edge must be a multiple. It is a multiple of 4 and of each axis' total stride."""
        return math.lcm(4, *self._shrunk)

    @property
    def least(self) -> int:
        """Smallest edge of the patch, in voxels. Instance norm needs two voxels in the last stage."""
        return max(self.multiple, 2 * min(self._shrunk))

    @property
    def _shrunk(self) -> Triple:
        i, j, k = (math.prod(axis) for axis in zip(*self.strides, strict=True))
        return i, j, k


def plan(setting: Setting) -> DynUNetConfig:
    """Plan stages by nnU-Net's rules, and round the patch up to an edge that can be halved often enough."""
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
    """Build the U-Net: two convolutions in each stage, instance norm, leaky ReLU, no deep supervision."""
    from monai.networks.nets import DynUNet  # noqa: PLC0415  MONAI takes two seconds to load

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
