"""The whole network, computed from its formulas with the weights of a `ProMISe`."""

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.network.promise import ProMISe
from promise_cli.network.promise.adapter import Adapter
from promise_cli.network.promise.image_encoder import Block, ImageEncoder, Neck
from promise_cli.network.promise.mask_decoder import MaskDecoder
from tests.test_model.plain import plain_attention, plain_embedding


def plain_logits(model: ProMISe, patch: Tensor, clicks: Tensor, labels: Tensor) -> Tensor:
    """Compute the logits of `model` with every intermediate result as a tensor."""
    image = patch.transpose(2, 3)
    levels = _plain_levels(model.image_encoder, image)
    prompted = model.prompt_encoder(levels[-1], clicks[..., (1, 0, 2)], labels)
    maps = _plain_maps(clicks[..., (1, 0, 2)], labels, patch.shape[-1])
    return _plain_head(model.mask_decoder, [*levels[:-1], prompted], image, maps).transpose(2, 3)


def _plain_levels(encoder: ImageEncoder, image: Tensor) -> list[Tensor]:
    tokens = plain_embedding(
        image,
        encoder.patch_embed.proj.weight,
        encoder.patch_embed.proj.bias,
        encoder.slice_embed.weight,
        encoder.slice_embed.bias,
        4,
    ).permute(0, 2, 3, 4, 1)
    side = tokens.shape[1]
    plane = encoder.pos_embed.permute(0, 3, 1, 2)
    plane = F.avg_pool2d(plane, plane.shape[-1] // side).permute(0, 2, 3, 1)
    tokens = tokens + plane[:, :, :, None] + encoder.depth_embed[:, None, None]
    levels = []
    for index, block in enumerate(encoder.blocks):
        tokens = plain_block(block, tokens, encoder.window_size, shifted=index % 2 == 0)
        if (index + 1) % encoder.level_depth == 0:
            levels.append(plain_neck(encoder.necks[index // encoder.level_depth], tokens))
    return levels


def plain_block(block: Block, tokens: Tensor, window: int, *, shifted: bool) -> Tensor:
    """Apply one transformer block with materialised attention, from and to `(B, H, W, D, C)`."""
    tokens = plain_adapter(block.adapter1, tokens)
    tokens = tokens + plain_attention(block.attn, block.norm1(tokens), window, shifted=shifted)
    tokens = tokens + block.mlp(block.norm2(tokens))
    if block.adapter2 is None:
        return tokens
    return plain_adapter(block.adapter2, tokens) + (tokens if block.double_residual else 0)


def plain_adapter(adapter: Adapter, tokens: Tensor) -> Tensor:
    """Narrow, convolve depth-wise over 27 neighbours, widen and add, from and to `(B, H, W, D, C)`."""
    narrow = (tokens @ adapter.linear1.weight.T + adapter.linear1.bias).clamp(min=0)
    padded = F.pad(narrow, (0, 0, 1, 1, 1, 1, 1, 1))
    _, height, width, depth, _ = tokens.shape
    mixed = torch.zeros_like(narrow) + adapter.conv.bias
    for h, w, d in product(range(3), repeat=3):
        neighbour = padded[:, h : h + height, w : w + width, d : d + depth]
        mixed = mixed + neighbour * adapter.conv.weight[:, 0, h, w, d]
    update = mixed.clamp(min=0) @ adapter.linear2.weight.T + adapter.linear2.bias
    return tokens + update.clamp(min=0)


def plain_neck(neck: Neck, tokens: Tensor) -> Tensor:
    """Apply a neck, from `(B, H, W, D, C)` to `(B, width, H, W, D)`."""
    narrow = _normed(neck.norm1, tokens @ neck.linear.weight.T).permute(0, 4, 1, 2, 3)
    mixed = F.conv3d(narrow, neck.conv.weight, padding=1).permute(0, 2, 3, 4, 1)
    return _normed(neck.norm2, mixed).permute(0, 4, 1, 2, 3)


def _normed(norm: nn.Module, tokens: Tensor) -> Tensor:
    if not isinstance(norm, nn.LayerNorm):
        return _over_the_patch(tokens)
    mean = tokens.mean(-1, keepdim=True)
    variance = (tokens - mean).square().mean(-1, keepdim=True)
    return (tokens - mean) / (variance + 1e-6).sqrt() * norm.weight + norm.bias


def _over_the_patch(tokens: Tensor) -> Tensor:
    mean = tokens.mean((1, 2, 3), keepdim=True)
    variance = (tokens - mean).square().mean((1, 2, 3), keepdim=True)
    return (tokens - mean) / (variance + 1e-5).sqrt()


def _plain_maps(clicks: Tensor, labels: Tensor, edge: int) -> Tensor:
    """Return Gaussians of the distance in voxels from the middle of each 2 x 2 x 2 block to the nearest click.

    There is one map for each sigma and for each sign of a click.
    """
    middles = 2 * torch.arange(edge // 2, device=clicks.device) + 0.5
    places = torch.stack(torch.meshgrid(middles, middles, middles, indexing="ij"), dim=-1)
    found = []
    for sigma, kind in product((4, 8, 16), (1, 0)):
        squared = (places[None, ..., None, :] - clicks[:, None, None, None]).square().sum(-1)
        squared = torch.where((labels == kind)[:, None, None, None], squared, torch.inf)
        found.append(torch.exp(-squared.amin(-1) / (2 * sigma**2)))
    return torch.stack(found, dim=1)


def _plain_head(decoder: MaskDecoder, levels: list[Tensor], image: Tensor, maps: Tensor) -> Tensor:
    half = F.interpolate(image, scale_factor=0.5, mode="trilinear")
    grown = []
    for branch, features in zip(decoder.branches, levels, strict=True):
        narrow = branch.blocks(features)
        grown.append(
            branch.up(narrow)
            if branch.up is not None
            else F.interpolate(narrow, scale_factor=2, mode="trilinear", align_corners=True)
        )
    detail = None if decoder.cnn is None else decoder.cnn(half)
    inputs = [*grown, *([detail] if decoder.fusion == "concat" else []), half]
    hidden = F.conv3d(torch.cat(inputs, dim=1), decoder.head1.weight, padding=1)
    if decoder.fusion == "residual":
        hidden = hidden + detail
    if decoder.click_head is not None:
        hidden = hidden + F.conv3d(maps.to(hidden), decoder.click_head.weight, padding=1)
    hidden = F.relu(F.instance_norm(hidden))
    logits = F.conv3d(hidden, decoder.head2.weight, padding=1)
    return F.interpolate(logits, scale_factor=2, mode="trilinear", align_corners=True)
