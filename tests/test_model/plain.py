"""The network's formulas written out with every tensor materialised, which the fast forms must equal."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from promise_cli.network.promise.attention import WindowAttention, resize_table


def plain_embedding(
    image: Tensor,
    patch_weight: Tensor,
    patch_bias: Tensor,
    slice_weight: Tensor,
    slice_bias: Tensor,
    token_size: int,
) -> Tensor:
    """Upsample the volume, embed every slice in 2D, then embed along depth; returns `(B, C, H, W, D)`."""
    edge = patch_weight.shape[-1]
    scale = edge / token_size
    size = [round(n * scale) for n in image.shape[2:]]
    large = F.interpolate(image, size=size, mode="trilinear")
    slices = large.expand(-1, 3, -1, -1, -1).permute(0, 4, 1, 2, 3)  # (B, D, 3, H, W)
    batch, depth = slices.shape[:2]
    embedded = F.conv2d(slices.flatten(0, 1), patch_weight, patch_bias, stride=edge)
    volume = embedded.unflatten(0, (batch, depth)).permute(0, 2, 3, 4, 1)
    return F.conv3d(volume, slice_weight, slice_bias, stride=(1, 1, edge), groups=volume.shape[1])


def plain_attention(
    layer: WindowAttention, tokens: Tensor, window: int, *, shifted: bool
) -> Tensor:
    """Compute windowed attention with its logits, relative positions and shift masks as tensors."""
    size = tokens.shape[1:4]
    filled = [-(-n // window) * window for n in size]
    shift = [window // 2 if shifted and n > window else 0 for n in filled]
    missing = [f - n for f, n in zip(filled, size, strict=True)]
    tokens = F.pad(tokens, (0, 0, 0, missing[2], 0, missing[1], 0, missing[0]))
    tokens = tokens.roll([-s for s in shift], (1, 2, 3))
    windows = plain_partition(tokens, window)
    mask = None
    if any(shift) or any(missing):
        mask = plain_mask(tuple(filled), size, tuple(shift), window).to(tokens)
        mask = mask.repeat(tokens.shape[0], 1, 1)[:, None]
    attended = _attend(layer, windows, mask, window)
    merged = plain_merge(attended, tokens.shape, window).roll(shift, (1, 2, 3))
    return merged[:, : size[0], : size[1], : size[2]]


def _attend(layer: WindowAttention, windows: Tensor, mask: Tensor | None, w: int) -> Tensor:
    qkv = layer.qkv(windows).unflatten(-1, (3, layer.num_heads, layer.head_width))
    query, key, value = qkv.permute(2, 0, 3, 1, 4)
    logits = query / layer.head_width**0.5 @ key.transpose(-1, -2)
    if layer.positions is not None:
        place = torch.arange(w, device=windows.device)
        offset = place[:, None] - place + w - 1
        along_h, along_w, along_d = (
            layer.rel_pos_scale * resize_table(table, w, layer.positions.crop)[offset]
            for table in (layer.rel_pos_h, layer.rel_pos_w, layer.rel_pos_d)
        )
        cube = query.unflatten(2, (w, w, w))  # (N, heads, h, w, d, c)
        logits = logits.unflatten(3, (w, w, w)).unflatten(2, (w, w, w))
        logits = logits + torch.einsum("nehwdc,hkc->nehwdk", cube, along_h)[..., :, None, None]
        logits = logits + torch.einsum("nehwdc,wkc->nehwdk", cube, along_w)[..., None, :, None]
        logits = logits + torch.einsum("nehwdc,dkc->nehwdk", cube, along_d)[..., None, None, :]
        logits = logits.flatten(5, 7).flatten(2, 4)
    if mask is not None:
        logits = logits + mask
    attended = logits.softmax(dim=-1) @ value
    return layer.proj(attended.transpose(1, 2).flatten(2))


def plain_partition(tokens: Tensor, window: int) -> Tensor:
    """Cut `(B, H, W, D, C)` into windows, `(B * num_windows, window^3, C)`."""
    batch, height, width, depth, channels = tokens.shape
    w = window
    split = tokens.reshape(batch, height // w, w, width // w, w, depth // w, w, channels)
    return split.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(-1, w**3, channels)


def plain_merge(windows: Tensor, shape: torch.Size, window: int) -> Tensor:
    """Undo `plain_partition`."""
    batch, height, width, depth, channels = shape
    w = window
    split = windows.reshape(batch, height // w, width // w, depth // w, w, w, w, channels)
    return split.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(shape)


@cache
def plain_mask(
    filled: tuple[int, ...], size: torch.Size, shift: tuple[int, ...], window: int
) -> Tensor:
    """Return -100 between tokens from different sides of a face and between token and padding, and 0 elsewhere."""
    side = torch.zeros(1, *filled, 1)
    for axis in range(3):
        for region, part in enumerate(_parts(filled[axis], shift[axis], window)):
            place = [slice(None)] * 5
            place[axis + 1] = part
            side[tuple(place)] += region * 10**axis
    padding = torch.ones(1, *filled, 1)
    padding[:, : size[0], : size[1], : size[2]] = 0
    side = side + 1000 * padding.roll([-s for s in shift], (1, 2, 3))
    side = torch.where(side >= 1000, 1000, side)
    ids = plain_partition(side, window)[..., 0]
    return torch.where(ids[:, :, None] == ids[:, None], 0.0, -100.0)


def _parts(length: int, shift: int, window: int) -> list[slice]:
    if not shift:
        return [slice(0, length)]
    return [slice(0, -window), slice(-window, -shift), slice(-shift, None)]
