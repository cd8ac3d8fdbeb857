"""nnFormer (Zhou et al., arXiv 2109.03201): a U-shaped transformer with local, global and skip attention.

Written from the paper. Convolutions embed 4^3 voxels in a token. There are four levels of two transformer blocks each.
The upper two levels attend within volumes of 4^3 tokens, and every other block shifts its volumes. The lower two levels
attend over the whole patch. Strided convolutions lie between the levels. On the way up, the first block of each level
attends from the decoder to the encoder.
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
    """Channels of the finest tokens. They double at each further level."""
    depth: int = 2
    """Transformer blocks in each level, in the encoder and in the decoder."""
    num_heads: tuple[int, int, int, int] = (6, 12, 24, 48)
    """Attention heads of each level, the finest level first."""
    local_window: int = 4
    """Edge of an attention volume at the upper two levels, in tokens."""

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
                    f"num_heads {self.num_heads}: {heads} heads cannot share the {self.width << level} channels of"
                    f" level {level} evenly"
                )
        super().__post_init__()

    def windows(self) -> tuple[int, int, int, int]:
        """Return the edge of the attention volumes at each level, in tokens. At the lower two it is the whole patch."""
        tokens = self.patch_size // TOKEN
        return (self.local_window, self.local_window, tokens // 4, tokens // 8)


class Embedding(nn.Module):
    """Embedding of 4^3 voxels in each token, with four convolutions. Two of them halve the resolution."""

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
        """Convert `(B, C, I, J, K)` to `(B, I/4, J/4, K/4, width)`."""
        return self.layers(image).movedim(1, -1)


class Down(nn.Module):
    """Layer that halves the number of tokens along each axis and doubles their channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv3d(width, 2 * width, 3, stride=2, padding=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Convert `(B, I, J, K, C)` to `(B, I/2, J/2, K/2, 2C)`."""
        return self.conv(self.norm(F.gelu(tokens)).movedim(-1, 1)).movedim(1, -1)


class Up(nn.Module):
    """Layer that doubles the number of tokens along each axis and halves their channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.ConvTranspose3d(width, width // 2, 2, stride=2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Convert `(B, I, J, K, C)` to `(B, 2I, 2J, 2K, C/2)`."""
        return self.conv(self.norm(tokens).movedim(-1, 1)).movedim(1, -1)


class NNFormer(nn.Module):
    """Encoder and decoder of nnFormer, from an image to logits."""

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
        """Convert an image `(B, C, I, J, K)` to logits `(B, 2, I, J, K)`."""
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
    """Return the paper's widths and heads, or smaller ones for the small network."""
    shared = setting.shared(NNFormerConfig.MULTIPLE)
    if setting.small:
        return NNFormerConfig(**shared, width=24, depth=2, num_heads=(2, 4, 8, 16))
    return NNFormerConfig(**shared)


NNFORMER = Architecture("nnformer", NNFormerConfig, plan, NNFormer)
