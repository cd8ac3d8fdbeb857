"""Swin UNETR (Hatamizadeh et al., arXiv 2201.01266), as implemented by MONAI."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from promise_cli.network.architecture import NUM_CLASSES, Architecture, Setting
from promise_cli.network.plain_config import PlainConfig


@dataclass(frozen=True, kw_only=True)
class SwinUNETRConfig(PlainConfig):
    """Sizes of Swin UNETR."""

    MULTIPLE: ClassVar[int] = 32
    LEAST: ClassVar[int] = 64
    """Smallest edge of the patch, in voxels. Instance norm needs more than one voxel at 1/32 of the resolution."""

    feature_size: int = 48
    """Channels at half resolution, a multiple of 12."""
    window_size: int = 7
    """Edge of an attention window in tokens."""

    def __post_init__(self) -> None:
        self.check_counts(feature_size=self.feature_size, window_size=self.window_size)
        if self.feature_size % 12:
            raise ValueError(f"feature_size must be a multiple of 12, found {self.feature_size}")
        super().__post_init__()


def plan(setting: Setting) -> SwinUNETRConfig:
    """Return the published 48 channels and windows of 7^3 tokens, or smaller ones for the small network."""
    shared = setting.shared(SwinUNETRConfig.MULTIPLE, SwinUNETRConfig.LEAST)
    if setting.small:
        return SwinUNETRConfig(**shared, feature_size=12, window_size=4)
    return SwinUNETRConfig(**shared)


def build(config: SwinUNETRConfig) -> nn.Module:
    """Build MONAI's network. All other options keep MONAI's defaults."""
    from monai.networks.nets import SwinUNETR  # noqa: PLC0415  MONAI takes two seconds to load

    return SwinUNETR(
        in_channels=config.in_channels,
        out_channels=NUM_CLASSES,
        feature_size=config.feature_size,
        window_size=config.window_size,
    )


SWIN_UNETR = Architecture("swin_unetr", SwinUNETRConfig, plan, build)
