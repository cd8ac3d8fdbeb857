"""SegResNet (Myronenko, arXiv 1810.11654, without its autoencoder branch), MONAI's."""

from dataclasses import dataclass

from monai.networks.nets import SegResNet
from torch import nn

from promise_cli.architectures.architecture import NUM_CLASSES, Architecture, Setting
from promise_cli.architectures.config import PlainConfig

MULTIPLE = 8


@dataclass(frozen=True, kw_only=True)
class SegResNetConfig(PlainConfig):
    """Sizes of SegResNet."""

    init_filters: int = 32
    """Channels at full resolution, a multiple of 8; the paper's."""
    blocks_down: tuple[int, ...] = (1, 2, 2, 4)
    blocks_up: tuple[int, ...] = (1, 1, 1)


def plan(setting: Setting) -> SegResNetConfig:
    """The paper's blocks and channels."""
    width = 8 if setting.small else 32
    return SegResNetConfig(**setting.shared(MULTIPLE, 2 * MULTIPLE), init_filters=width)


def build(config: SegResNetConfig) -> nn.Module:
    """All else as MONAI has it."""
    return SegResNet(
        in_channels=config.in_channels,
        out_channels=NUM_CLASSES,
        init_filters=config.init_filters,
        blocks_down=config.blocks_down,
        blocks_up=config.blocks_up,
    )


SEGRESNET = Architecture("segresnet", SegResNetConfig, plan, build)
