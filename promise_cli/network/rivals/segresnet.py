"""SegResNet (Myronenko, arXiv 1810.11654) without its autoencoder branch, as implemented by MONAI."""

from dataclasses import dataclass

from torch import nn

from promise_cli.network.architecture import NUM_CLASSES, Architecture, Setting
from promise_cli.network.plain_config import PlainConfig

MULTIPLE = 8
"""The patch's edge must be a multiple of this, in voxels, if the default number of levels is used."""
NORM_GROUPS = 8
"""Number of groups of MONAI's group norm."""


@dataclass(frozen=True, kw_only=True)
class SegResNetConfig(PlainConfig):
    """Sizes of SegResNet."""

    init_filters: int = 32
    """Channels at full resolution, a multiple of 8. The default is the paper's."""
    blocks_down: tuple[int, ...] = (1, 2, 2, 4)
    """Residual blocks of each level on the way down."""
    blocks_up: tuple[int, ...] = (1, 1, 1)
    """Residual blocks of each level on the way up, which has one level fewer."""

    def __post_init__(self) -> None:
        self.check_counts(
            init_filters=self.init_filters, blocks_down=self.blocks_down, blocks_up=self.blocks_up
        )
        if self.init_filters % NORM_GROUPS:
            raise ValueError(
                f"init_filters must be a multiple of {NORM_GROUPS}, found {self.init_filters}"
            )
        if len(self.blocks_up) != len(self.blocks_down) - 1:
            raise ValueError(
                f"blocks_down {self.blocks_down} and blocks_up {self.blocks_up}; give blocks_up one"
                " entry fewer than blocks_down"
            )
        super().__post_init__()

    @property
    def multiple(self) -> int:
        """The patch's edge must be a multiple of this, in voxels, because each level after the first one halves it."""
        return max(4, 1 << len(self.blocks_up))


def plan(setting: Setting) -> SegResNetConfig:
    """Return the paper's blocks and channels, or fewer channels for the small network."""
    width = 8 if setting.small else 32
    return SegResNetConfig(**setting.shared(MULTIPLE, 2 * MULTIPLE), init_filters=width)


def build(config: SegResNetConfig) -> nn.Module:
    """Build MONAI's network. All other options keep MONAI's defaults."""
    from monai.networks.nets import SegResNet  # noqa: PLC0415  MONAI takes two seconds to load

    return SegResNet(
        in_channels=config.in_channels,
        out_channels=NUM_CLASSES,
        init_filters=config.init_filters,
        blocks_down=config.blocks_down,
        blocks_up=config.blocks_up,
    )


SEGRESNET = Architecture("segresnet", SegResNetConfig, plan, build)
