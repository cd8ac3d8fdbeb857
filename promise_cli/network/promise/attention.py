"""Attention within windows, with decomposed relative positions. No logits and no masks are stored.

Relative positions and region masks can be written as inner products. Therefore they are appended to queries and keys as
further channels, and `scaled_dot_product_attention` adds them to the logits (docs/method.md).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.network.promise.frozen import FrozenResult
from promise_cli.network.promise.initial import normal

_REGION = 11.0
"""Value of a region's channel. It adds 11 * 11 = 121 to the logits between tokens of the same region.

Swin instead subtracts 100 from all other logits. The only difference in the result is that Swin's other tokens keep
weights of e^-100. In float32 such weights are subnormal instead of zero, and they slow the CPU down."""


def resize_table(table: Tensor, window: int, crop: bool) -> Tensor:
    """Fit a pretrained table of relative positions to a window of another size.

    Args:
        table: `(rows, head_width)`, one row for each offset between two tokens. The middle row is offset zero.
        window: Edge of the window in tokens.
        crop: Whether to take the central rows instead of interpolating between all of them.

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
    """SAM's relative positions along H and W, and new ones along D, as channels of queries and keys.

    This module has no parameters of its own. The attention holds the tables, so that they keep SAM's names.
    """

    def __init__(self, window: int, *, crop: bool) -> None:
        super().__init__()
        self.window = window
        self.crop = crop
        self._spread = tuple(FrozenResult() for _ in range(3))

    def of_queries(self, query: Tensor, tables: tuple[Tensor, ...], scale: Tensor) -> Tensor:
        """Compute the logit that each query adds for each place along H, W and D.

        Args:
            query: `(N, heads, window^3, head_width)`.
            tables: Tables of relative positions along H, W and D.
            scale: Factor by which the tables are multiplied.

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
        """Return the place of each key along H, W and D as one-hot codes, `(window^3, 3 * window)`.

        Args:
            like: Tensor whose dtype and device the codes get.
        """
        w = self.window
        eye = torch.eye(w, dtype=like.dtype, device=like.device)
        axes = (eye[:, None, None], eye[None, :, None], eye[None, None, :])
        return torch.cat([axis.expand(w, w, w, w) for axis in axes], dim=-1).flatten(0, 2)

    def _by_place(self, table: Tensor) -> Tensor:
        """Expand a table to `(window, window, head_width)`, indexed by the places of query and key."""
        place = torch.arange(self.window, device=table.device)
        offset = place[:, None] - place + self.window - 1
        return resize_table(table, self.window, self.crop)[offset]


class WindowAttention(nn.Module):
    """Multi-head self-attention within 3D windows, with relative positions if the pretrained transformer has them."""

    def __init__(
        self, *, width: int, num_heads: int, window: int, table_rows: int | None, crop: bool
    ) -> None:
        """Create the attention with random weights.

        Args:
            width: Channels of a token.
            num_heads: Number of heads, which share the channels evenly.
            window: Edge of a window in tokens.
            table_rows: Rows of the pretrained tables of relative positions. None for a transformer without them.
            crop: See `resize_table`.
        """
        super().__init__()
        self.num_heads = num_heads
        self.head_width = width // num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.positions: RelativePositions | None = None
        if table_rows is not None:
            self.rel_pos_h = nn.Parameter(normal(table_rows, self.head_width, std=0.02))
            self.rel_pos_w = nn.Parameter(normal(table_rows, self.head_width, std=0.02))
            self.rel_pos_d = nn.Parameter(normal(table_rows, self.head_width, std=0.02))
            self.rel_pos_scale = nn.Parameter(torch.ones(()))
            self.positions = RelativePositions(window, crop=crop)

    def forward(self, rows: Tensor, regions: Tensor | None) -> Tensor:
        """Attend within windows.

        Args:
            rows: `(N, window^3, C)`, tokens grouped by window.
            regions: `(N, window^3, R)` booleans as in `Windows`. None if all tokens of a window attend to each other.

        Returns:
            `(N, window^3, C)`.
        """
        qkv = self.qkv(rows).reshape(*rows.shape[:2], 3, self.num_heads, self.head_width)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (N, heads, window^3, head_width)
        of_query, of_key = self._further_channels(query, regions)
        query = torch.cat([query, *of_query], dim=-1)
        key = torch.cat([key, *of_key], dim=-1)
        # The fused kernel needs queries, keys and values of the same width.
        value = F.pad(value, (0, query.shape[-1] - self.head_width))
        scale = self.head_width**-0.5
        attended = F.scaled_dot_product_attention(query, key, value, scale=scale)
        attended = attended[..., : self.head_width].transpose(1, 2).reshape(rows.shape)
        return self.proj(attended)

    def _further_channels(
        self, query: Tensor, regions: Tensor | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return further channels of queries and of keys.

        Their inner products, after scaling, are the relative positions and the region mask.
        """
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
        if width % 8:  # the fused kernel needs a multiple of eight
            fill = query.new_zeros(()).expand(*leading, -width % 8)
            of_query.append(fill)
            of_key.append(fill)
        return of_query, of_key
