"""nnFormer (Zhou et al., arXiv 2109.03201): local attention above, global below, skip attention between.

Written from the paper: convolutions embed 4^3 voxels in a token; four levels of two transformer blocks each, the upper
two within volumes of 4^3 tokens (every other block shifted), the lower two over the whole patch; strided convolutions
between levels; on the way up, the first block of each level attends from the decoder to the encoder.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from promise_cli.network.architecture import NUM_CLASSES, Architecture, Setting
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.rivals.channel_norm import ChannelNorm
from promise_cli.network.rivals.volume_attention import VolumeBlock

TOKEN = 4
"""Edge of a token in voxels."""


@dataclass(frozen=True, kw_only=True)
class NNFormerConfig(PlainConfig):
    """Sizes of nnFormer."""

    MULTIPLE: ClassVar[int] = 32

    width: int = 192
    """Channels of the finest tokens; doubled at each level."""
    depth: int = 2
    """Blocks of each level."""
    num_heads: tuple[int, int, int, int] = (6, 12, 24, 48)
    local_window: int = 4
    """Edge of a volume in tokens, at the upper two levels."""

    def __post_init__(self) -> None:
        self.check_counts(
            width=self.width,
            depth=self.depth,
            num_heads=self.num_heads,
            local_window=self.local_window,
        )
        if self.width % 2:
            raise ValueError(f"width must be even, found {self.width}")
        for level, heads in enumerate(self.num_heads):
            if (self.width << level) % heads:
                raise ValueError(
                    f"num_heads {self.num_heads}: {heads} do not share the {self.width << level} channels of level"
                    f" {level} evenly"
                )
        super().__post_init__()

    def windows(self) -> tuple[int, int, int, int]:
        """Edge of the volumes at each level; at the lower two it is the whole patch."""
        tokens = self.patch_size // TOKEN
        return (self.local_window, self.local_window, tokens // 4, tokens // 8)


class Embedding(nn.Module):
    """A token for each 4^3 voxels, by four convolutions of which two halve."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        half = width // 2
        self.layers = nn.Sequential(
            nn.Conv3d(channels, half, 3, stride=2, padding=1), nn.GELU(), ChannelNorm(half),
            nn.Conv3d(half, half, 3, padding=1), nn.GELU(), ChannelNorm(half),
            nn.Conv3d(half, width, 3, stride=2, padding=1), nn.GELU(), ChannelNorm(width),
            nn.Conv3d(width, width, 3, padding=1), ChannelNorm(width),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        """`(B, C, I, J, K)` to `(B, I/4, J/4, K/4, width)`."""
        return self.layers(image).movedim(1, -1)


class Down(nn.Module):
    """Half the tokens along each axis, of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv3d(width, 2 * width, 3, stride=2, padding=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, I, J, K, C)` to `(B, I/2, J/2, K/2, 2C)`."""
        return self.conv(self.norm(F.gelu(tokens)).movedim(-1, 1)).movedim(1, -1)


class Up(nn.Module):
    """Twice the tokens along each axis, of half the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.ConvTranspose3d(width, width // 2, 2, stride=2)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, I, J, K, C)` to `(B, 2I, 2J, 2K, C/2)`."""
        return self.conv(self.norm(tokens).movedim(-1, 1)).movedim(1, -1)


class NNFormer(nn.Module):
    """Encoder and decoder."""

    def __init__(self, config: NNFormerConfig) -> None:
        super().__init__()
        widths = [config.width << level for level in range(4)]
        sizes = list(zip(widths, config.num_heads, config.windows(), strict=True))
        self.embedding = Embedding(config.in_channels, config.width)
        self.encoder = nn.ModuleList(
            nn.ModuleList(
                VolumeBlock(*size, shifted=block % 2 == 1) for block in range(config.depth)
            )
            for size in sizes
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        self.down = nn.ModuleList(Down(width) for width in widths[:-1])
        self.up = nn.ModuleList(Up(width) for width in reversed(widths[1:]))
        self.decoder = nn.ModuleList(
            nn.ModuleList(
                VolumeBlock(*size, shifted=block % 2 == 1, between=block == 0)
                for block in range(config.depth)
            )
            for size in reversed(sizes[:-1])
        )
        self.head = nn.ConvTranspose3d(config.width, NUM_CLASSES, TOKEN, stride=TOKEN)
        self.use_checkpoint = False

    def forward(self, image: Tensor) -> Tensor:
        """`(B, C, I, J, K)` to logits `(B, 2, I, J, K)`."""
        tokens, levels = self.embedding(image), []
        for level, (blocks, norm) in enumerate(zip(self.encoder, self.norms, strict=True)):
            if level:
                tokens = self.down[level - 1](tokens)
            tokens = self._run(cast(Iterable[nn.Module], blocks), tokens)
            levels.append(norm(tokens))
        tokens = levels.pop()
        for up, blocks in zip(self.up, self.decoder, strict=True):
            first, *others = cast(Iterable[nn.Module], blocks)
            tokens = self._call(first, up(tokens), levels.pop())
            tokens = self._run(others, tokens)
        return self.head(tokens.movedim(-1, 1))

    def _run(self, blocks: Iterable[nn.Module], tokens: Tensor) -> Tensor:
        for block in blocks:
            tokens = self._call(block, tokens)
        return tokens

    def _call(self, block: nn.Module, *tokens: Tensor) -> Tensor:
        if self.use_checkpoint and torch.is_grad_enabled():
            return cast(Tensor, checkpoint(block, *tokens, use_reentrant=False))
        return block(*tokens)


def plan(setting: Setting) -> NNFormerConfig:
    """The paper's widths and heads."""
    shared = setting.shared(NNFormerConfig.MULTIPLE)
    if setting.small:
        return NNFormerConfig(**shared, width=24, depth=2, num_heads=(2, 4, 8, 16))
    return NNFormerConfig(**shared)


NNFORMER = Architecture("nnformer", NNFormerConfig, plan, NNFormer)
