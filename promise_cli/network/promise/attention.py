"""Windowed attention with decomposed relative positions, without logits or mask buffers.

Relative positions and region masks are inner products, so they travel as further channels of
queries and keys through `scaled_dot_product_attention`; `docs/method.md` has the identity.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.network.promise.frozen import FrozenResult

_REGION = 11.0
"""Tokens of one region gain 11 * 11 in their logits. Swin takes 100 off all others, which is the
same but for weights of e^-100: as float32 they are subnormal, not zero, and slow the CPU down."""


def resize_table(table: Tensor, window: int, crop: bool) -> Tensor:
    """Pretrained relative positions for a window of another size.

    Args:
        table: `(rows, head_width)`, one row per offset, the middle row for offset zero.
        window: Edge of the window in tokens.
        crop: Take the central rows instead of interpolating between all of them.

    Returns:
        `(2 * window - 1, head_width)`.
    """
    rows = 2 * window - 1
    if table.shape[0] == rows:
        return table
    if crop:
        start = (table.shape[0] - rows) // 2
        return table[start : start + rows]
    return F.interpolate(table.T[None], size=rows, mode="linear")[0].T


class RelativePositions(nn.Module):
    """SAM's relative positions along H and W, and ours along D, as channels of queries and keys.

    It owns no parameters, so that the tables keep SAM's names within the attention.
    """

    def __init__(self, window: int, *, crop: bool) -> None:
        super().__init__()
        self.window = window
        self.crop = crop
        self._spread = tuple(FrozenResult() for _ in range(3))

    def of_queries(self, query: Tensor, tables: tuple[Tensor, ...], scale: Tensor) -> Tensor:
        """What each query has to say to each place along H, W and D.

        Args:
            query: `(N, heads, window^3, head_width)`.
            tables: One pretrained table per axis.
            scale: Multiplies the tables.

        Returns:
            `(N, heads, window^3, 3 * window)`.
        """
        w = self.window
        cube = query.reshape(-1, w, w, w, query.shape[-1])
        along_h, along_w, along_d = (
            (cache(self._by_place, table) * scale).to(query.dtype)
            for cache, table in zip(self._spread, tables, strict=True)
        )
        parts = [
            torch.einsum("nhwdc,hkc->nhwdk", cube, along_h),
            torch.einsum("nhwdc,wkc->nhwdk", cube, along_w),
            torch.einsum("nhwdc,dkc->nhwdk", cube, along_d),
        ]
        return torch.cat(parts, dim=-1).reshape(*query.shape[:-1], 3 * w)

    def of_keys(self, like: Tensor) -> Tensor:
        """The place of each key along H, W and D, one-hot: `(window^3, 3 * window)`."""
        w = self.window
        eye = torch.eye(w, dtype=like.dtype, device=like.device)
        axes = (eye[:, None, None], eye[None, :, None], eye[None, None, :])
        return torch.cat([axis.expand(w, w, w, w) for axis in axes], dim=-1).flatten(0, 2)

    def _by_place(self, table: Tensor) -> Tensor:
        """`(window, window, head_width)`, by place of query and key."""
        place = torch.arange(self.window, device=table.device)
        offset = place[:, None] - place + self.window - 1
        return resize_table(table, self.window, self.crop)[offset]


class WindowAttention(nn.Module):
    """Multi-head self-attention within 3D windows, with relative positions where SAM has them."""

    def __init__(
        self, *, width: int, num_heads: int, window: int, table_rows: int | None, crop: bool
    ) -> None:
        """Random weights.

        Args:
            width: Channels of a token.
            num_heads: Heads that share them.
            window: Edge of a window in tokens.
            table_rows: Rows of the pretrained tables; None for a transformer without any.
            crop: See `resize_table`.
        """
        super().__init__()
        self.num_heads = num_heads
        self.head_width = width // num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.positions: RelativePositions | None = None
        if table_rows is not None:
            self.rel_pos_h = nn.Parameter(0.02 * torch.randn(table_rows, self.head_width))
            self.rel_pos_w = nn.Parameter(0.02 * torch.randn(table_rows, self.head_width))
            self.rel_pos_d = nn.Parameter(0.02 * torch.randn(table_rows, self.head_width))
            self.rel_pos_scale = nn.Parameter(torch.ones(()))
            self.positions = RelativePositions(window, crop=crop)

    def forward(self, rows: Tensor, regions: Tensor | None) -> Tensor:
        """Attend within windows.

        Args:
            rows: `(N, window^3, C)`, tokens by window.
            regions: `(N, window^3, R)` booleans as in `Windows`, or None where all may meet.

        Returns:
            `(N, window^3, C)`.
        """
        qkv = self.qkv(rows).reshape(*rows.shape[:2], 3, self.num_heads, self.head_width)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (N, heads, window^3, head_width)
        of_query, of_key = self._further_channels(query, regions)
        query = torch.cat([query, *of_query], dim=-1)
        key = torch.cat([key, *of_key], dim=-1)
        # Fused attention wants queries, keys and values of one width.
        value = F.pad(value, (0, query.shape[-1] - self.head_width))
        scale = self.head_width**-0.5
        attended = F.scaled_dot_product_attention(query, key, value, scale=scale)
        attended = attended[..., : self.head_width].transpose(1, 2).reshape(rows.shape)
        return self.proj(attended)

    def _further_channels(
        self, query: Tensor, regions: Tensor | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Channels whose inner products, once scaled, are relative positions and region mask."""
        scale, leading = self.head_width**-0.5, query.shape[:-1]
        of_query, of_key = [], []
        if self.positions is not None:
            tables = (self.rel_pos_h, self.rel_pos_w, self.rel_pos_d)
            of_query.append(self.positions.of_queries(query, tables, self.rel_pos_scale / scale))
            of_key.append(self.positions.of_keys(query).expand(*leading, -1))
        if regions is not None:
            mask = (_REGION / scale**0.5 * regions[:, None]).to(query.dtype).expand(*leading, -1)
            of_query.append(mask)
            of_key.append(mask)
        width = self.head_width + sum(part.shape[-1] for part in of_query)
        if width % 8:  # fused attention wants a multiple of eight
            fill = query.new_zeros(()).expand(*leading, -width % 8)
            of_query.append(fill)
            of_key.append(fill)
        return of_query, of_key
