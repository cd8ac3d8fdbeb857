"""The image encoder: a pretrained 2D image transformer, extended to 3D, with four feature levels (paper, section 2)."""

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from promise_cli.network.promise.adapter import Adapter
from promise_cli.network.promise.attention import WindowAttention
from promise_cli.network.promise.chunks import in_chunks
from promise_cli.network.promise.config import TOKEN_SIZE, ModelConfig
from promise_cli.network.promise.convolution import convolve, full_precision
from promise_cli.network.promise.folding import fold_patch_embedding
from promise_cli.network.promise.frozen import FrozenResult
from promise_cli.network.promise.initial import normal
from promise_cli.network.promise.normalisation import PatchNorm
from promise_cli.network.promise.sam import mlp_block
from promise_cli.network.promise.windows import Windows

NUM_LEVELS = 4
SAM_INPUTS = 3
"""Channels of the image for which the pretrained patch embedding was made: red, green and blue."""


class Block(nn.Module):
    """A pretrained transformer block that attends within windows and has one or two adapters."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        shape = config.shape
        self.double_residual = config.adapter2_residual == "double"
        self.adapter1 = Adapter(shape.width, config.adapter_width)
        self.norm1 = nn.LayerNorm(shape.width, eps=1e-6)
        self.attn = WindowAttention(
            width=shape.width,
            num_heads=shape.num_heads,
            window=config.window_size,
            table_rows=shape.table_rows(index) if shape.family == "sam" else None,
            crop=config.relative_position == "crop",
        )
        self.norm2 = nn.LayerNorm(shape.width, eps=1e-6)
        self.mlp = mlp_block(shape.width, 4 * shape.width, nn.GELU)
        self.adapter2 = Adapter(shape.width, config.adapter_width) if config.adapters == 2 else None

    def forward(self, tokens: Tensor, windows: Windows) -> Tensor:
        """Transform tokens `(B, H, W, D, C)`. The result has the same shape."""
        rows = windows.partition(self.adapter1(tokens))
        regions = windows.regions
        if regions is not None:
            regions = regions.repeat(tokens.shape[0], 1, 1)
        tokens = windows.merge(in_chunks(self._transform, rows, regions))
        if self.adapter2 is None:
            return tokens
        adapted = self.adapter2(tokens)
        return tokens + adapted if self.double_residual else adapted

    def _transform(self, rows: Tensor, regions: Tensor | None) -> Tensor:
        """Apply the pretrained block itself to tokens that are grouped by window, `(N, window^3, C)`."""
        rows = rows + self.attn(self.norm1(rows), regions)
        return rows + self.mlp(self.norm2(rows))


class Neck(nn.Module):
    """Layer that converts the tokens of one level to a feature map with fewer channels.

    SAM's necks have norms over the channels. With such norms, a neck that is trained from random weights soon gives the
    same features for every image. Its weights grow along what all tokens have in common, and the padded convolution
    turns that part into a pattern of the patch's border. In the end the norms leave nothing of what distinguishes the
    tokens. Norms over the patch remove the common part instead.
    """

    def __init__(self, in_width: int, width: int, norm: Literal["channels", "patch"]) -> None:
        super().__init__()
        self.linear = nn.Linear(in_width, width, bias=False)
        self.norm1 = PatchNorm() if norm == "patch" else nn.LayerNorm(width, eps=1e-6)
        self.conv = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.norm2 = PatchNorm() if norm == "patch" else nn.LayerNorm(width, eps=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """Convert tokens `(B, H, W, D, C)` to features `(B, width, H, W, D)`."""
        features = self.norm1(self.linear(tokens)).permute(0, 4, 1, 2, 3)
        features = self.norm2(
            convolve(features, self.conv.weight, padding=1).permute(0, 2, 3, 4, 1)
        )
        return features.permute(0, 4, 1, 2, 3).contiguous()


class PatchEmbed(nn.Module):
    """Weights of the pretrained patch embedding, under SAM's names.

    There is no `forward`, because `ImageEncoder.embed` folds this embedding with other linear maps.
    """

    def __init__(self, width: int, vit_patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(SAM_INPUTS, width, vit_patch, stride=vit_patch)


class ImageEncoder(nn.Module):
    """Patch and depth embedding, blocks with adapters, and a neck after each quarter of the blocks."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        shape = config.shape
        self.window_size = config.window_size
        self.checkpointing = False
        self.level_depth = shape.depth // NUM_LEVELS
        self.is_area = shape.family == "sam"
        side = shape.position_side
        self.pos_embed = nn.Parameter(normal(1, side, side, shape.width, std=0.02))
        depth = torch.ones if config.depth_position == "ones" else torch.zeros
        self.depth_embed = nn.Parameter(depth(1, config.num_tokens, shape.width))
        self.patch_embed = PatchEmbed(shape.width, shape.vit_patch)
        self.slice_embed = nn.Conv3d(
            shape.width,
            shape.width,
            (1, 1, shape.vit_patch),
            stride=(1, 1, shape.vit_patch),
            groups=shape.width,
        )
        if config.slice_embedding == "average":
            nn.init.constant_(self.slice_embed.weight, 1 / shape.vit_patch)
            nn.init.zeros_(cast(Tensor, self.slice_embed.bias))
        self.blocks = nn.ModuleList(Block(config, index) for index in range(shape.depth))
        self.necks = nn.ModuleList(
            Neck(shape.width, config.feature_width, config.neck_norm) for _ in range(NUM_LEVELS)
        )
        # Created last and without random numbers, so that all other weights are those of a network with one channel.
        self.channel_mix = (
            nn.Parameter(torch.full((SAM_INPUTS, config.channels), 1 / config.channels))
            if config.channels > 1
            else None
        )
        self._plane_positions = FrozenResult()

    def pretrained_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters, by name, that come from the pretrained transformer and can be frozen.

        The norms of its blocks are not among them, because they are always trained.
        """
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if name == "pos_embed"
            or name.startswith("patch_embed.")
            or (".attn." in name and not name.endswith("rel_pos_d"))
            or ".mlp." in name
        }

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute four feature levels, from shallow to deep.

        Args:
            image: `(B, channels, H, W, D)`, normalised intensities, with H, W and D in voxels.

        Returns:
            Four tensors `(B, feature_width, H/4, W/4, D/4)`.
        """
        tokens = self.embed(image)
        height, width, depth = tokens.shape[1:4]
        size = (height, width, depth)
        shifted, plain = (
            Windows(size, self.window_size, shifted=shifted, device=tokens.device)
            for shifted in (True, False)
        )
        levels = []
        for index, block in enumerate(self.blocks):
            windows = plain if index % 2 else shifted
            if self.checkpointing and torch.is_grad_enabled():
                tokens = checkpoint(block, tokens, windows, use_reentrant=False)
            else:
                tokens = block(tokens, windows)
            if (index + 1) % self.level_depth == 0:
                levels.append(self.necks[index // self.level_depth](tokens))
        return levels

    def embed(self, image: Tensor) -> Tensor:
        """Convert voxels `(B, channels, H, W, D)` to tokens plus their positions, `(B, H/4, W/4, D/4, C)`."""
        patch_layer, slice_layer = self.patch_embed.proj, self.slice_embed
        with full_precision(image):
            kernel, bias = fold_patch_embedding(
                patch_layer.weight,
                cast(Tensor, patch_layer.bias),
                slice_layer.weight,
                cast(Tensor, slice_layer.bias),
                TOKEN_SIZE,
                self.channel_mix,
            )
            padded = F.pad(image, (1,) * 6, mode="replicate")
            tokens = F.conv3d(padded, kernel, bias, stride=TOKEN_SIZE).permute(0, 2, 3, 4, 1)
        plane = self._plane_positions(self._resize_positions, self.pos_embed)
        return (tokens + plane[:, :, :, None] + self.depth_embed[:, None, None]).contiguous()

    def _resize_positions(self, positions: Tensor) -> Tensor:
        """Resize the pretrained plane positions to the token grid, `(1, H, W, C)`."""
        side = self.depth_embed.shape[1]
        if positions.shape[1] == side:
            return positions
        channels_first = positions.permute(0, 3, 1, 2)
        if self.is_area and positions.shape[1] > side:
            resized = F.adaptive_avg_pool2d(channels_first, side)
        else:
            resized = F.interpolate(channels_first, size=(side, side), mode="bicubic")
        return resized.permute(0, 2, 3, 1)
