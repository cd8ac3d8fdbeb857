"""Windowed attention with decomposed relative positions, without logits or mask buffers.

Relative positions and region masks are inner products, so they travel as further channels of queries and keys
through `scaled_dot_product_attention`; see `docs/method.md` for the identity.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.model.frozen import FrozenResult
from promise_cli.model.windows import WindowGrid

_REGION = 10.0
"""Two tokens of one region gain 10 * 10 in the logits: the same as -100 for all others (Swin)."""


def resize_table(table: Tensor, window: int, crop: bool) -> Tensor:
    """Pretrained relative positions `(rows, head_width)` for a window: `(2 * window - 1, head_width)`.

    Args:
        table: One row per offset, the middle row for offset zero.
        window: Edge of the window in tokens.
        crop: Take the central rows instead of interpolating between all of them.
    """
    rows = 2 * window - 1
    if table.shape[0] == rows:
        return table
    if crop:
        start = (table.shape[0] - rows) // 2
        return table[start : start + rows]
    return F.interpolate(table.T[None], size=rows, mode="linear")[0].T


class WindowAttention(nn.Module):
    """Multi-head self-attention within 3D windows, with SAM's relative positions where it has tables for them."""

    def __init__(
        self, *, width: int, num_heads: int, window: int, table_rows: int | None, crop: bool
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_width = width // num_heads
        self.window = window
        self.crop = crop
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.has_positions = table_rows is not None
        if table_rows is not None:
            for name in ("rel_pos_h", "rel_pos_w", "rel_pos_d"):
                table = nn.Parameter(torch.empty(table_rows, self.head_width))
                self.register_parameter(name, nn.init.trunc_normal_(table, std=0.02))
            self.rel_pos_scale = nn.Parameter(torch.ones(()))
            self._spread = tuple(FrozenResult() for _ in range(3))

    def forward(self, tokens: Tensor, grid: WindowGrid) -> Tensor:
        """Attend within the windows of `grid`; `(B, H, W, D, C)` to the same shape."""
        windows = grid.partition(tokens)  # (B, num_windows, L, C)
        qkv = self.qkv(windows).unflatten(-1, (3, self.num_heads, self.head_width))
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5).unbind(0)  # (B, num_windows, heads, L, d)
        to_query, to_key = self._further_channels(query, grid)
        width = self.head_width + sum(part.shape[-1] for part in to_query)
        fill = -width % 8  # fused attention wants one head width, a multiple of eight
        query = torch.cat([query * self.head_width**-0.5, *to_query], dim=-1)
        key = torch.cat([key, *to_key], dim=-1)
        attended = F.scaled_dot_product_attention(
            F.pad(query, (0, fill)).flatten(0, 1),
            F.pad(key, (0, fill)).flatten(0, 1),
            F.pad(value, (0, width + fill - self.head_width)).flatten(0, 1),
            scale=1.0,
        )[..., : self.head_width]
        merged = attended.unflatten(0, windows.shape[:2]).transpose(2, 3).flatten(3)
        return grid.merge(self.proj(merged))

    def _further_channels(
        self, query: Tensor, grid: WindowGrid
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Channels whose inner products are the relative positions and the region mask."""
        leading = query.shape[:-1]
        to_query, to_key = [], []
        if self.has_positions:
            to_query.append(self._relative_positions(query))
            to_key.append(self._places(query).expand(*leading, -1))
        regions = grid.regions(query.device)
        if regions is not None:
            count = 9 if grid.padded != grid.size else 8
            mask = _REGION * F.one_hot(regions, count).to(query.dtype)
            mask = mask[None, :, None].expand(*leading, count)
            to_query.append(mask)
            to_key.append(mask)
        return to_query, to_key

    def _relative_positions(self, query: Tensor) -> Tensor:
        """What each query has to say to each place along H, W and D: `(..., L, 3 * window)`."""
        w = self.window
        cube = query.flatten(0, 2).unflatten(1, (w, w, w))
        tables = (self.rel_pos_h, self.rel_pos_w, self.rel_pos_d)
        spread_h, spread_w, spread_d = (
            cache(self._spread_table, table) * self.rel_pos_scale
            for cache, table in zip(self._spread, tables, strict=True)
        )
        parts = [
            torch.einsum("nhwdc,hkc->nhwdk", cube, spread_h.to(query.dtype)),
            torch.einsum("nhwdc,wkc->nhwdk", cube, spread_w.to(query.dtype)),
            torch.einsum("nhwdc,dkc->nhwdk", cube, spread_d.to(query.dtype)),
        ]
        return torch.cat(parts, dim=-1).flatten(1, 3).unflatten(0, query.shape[:3])

    def _spread_table(self, table: Tensor) -> Tensor:
        """Resized relative positions by place of query and key: `(window, window, head_width)`."""
        place = torch.arange(self.window, device=table.device)
        offset = place[:, None] - place + self.window - 1
        return resize_table(table, self.window, self.crop)[offset]

    def _places(self, query: Tensor) -> Tensor:
        """One-hot place of each token of a window along H, W and D: `(L, 3 * window)`."""
        w = self.window
        eye = torch.eye(w, dtype=query.dtype, device=query.device)
        axes = (eye[:, None, None], eye[None, :, None], eye[None, None, :])
        return torch.cat([axis.expand(w, w, w, w) for axis in axes], dim=-1).flatten(0, 2)
