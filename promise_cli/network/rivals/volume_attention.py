"""nnFormer's attention within local volumes, and its skip attention between encoder and decoder."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.network.promise.windows import Windows

MLP_RATIO = 4


class VolumeAttention(nn.Module):
    """Multi-head attention within cubic volumes of tokens, with a learnt bias for each relative position.

    In self-attention, queries, keys and values are projected from the same tokens. In skip attention (`between`), the
    decoder's tokens are the queries without a projection, and keys and values are projected from the encoder's tokens.
    """

    position_index: Tensor

    def __init__(self, width: int, num_heads: int, window: int, *, between: bool = False) -> None:
        """Create the attention with random weights.

        Args:
            width: Channels of a token.
            num_heads: Number of heads, which share the channels evenly.
            window: Edge of a volume in tokens.
            between: Whether this is skip attention instead of self-attention.
        """
        super().__init__()
        self.num_heads = num_heads
        self.between = between
        self.project_in = nn.Linear(width, (2 if between else 3) * width)
        self.project_out = nn.Linear(width, width)
        self.position_bias = nn.Parameter(torch.zeros((2 * window - 1) ** 3, num_heads))
        nn.init.trunc_normal_(self.position_bias, std=0.02)
        self.register_buffer("position_index", _position_index(window), persistent=False)

    def forward(self, tokens: Tensor, skip: Tensor | None, regions: Tensor | None) -> Tensor:
        """Attend within each volume.

        Args:
            tokens: `(B * num_windows, window^3, C)`.
            skip: Tokens of the encoder in the same shape, for skip attention. None for self-attention.
            regions: `(num_windows, window^3, R)` booleans as in `Windows`. None if every volume is a
                single region.

        Returns:
            Attended tokens, in the shape of `tokens`.
        """
        source = skip if self.between else tokens
        assert source is not None
        parts = list(self.project_in(source).chunk(2 if self.between else 3, dim=-1))
        query, key, value = (
            part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part in ([tokens, *parts] if self.between else parts)
        )
        bias = self.position_bias[self.position_index].permute(2, 0, 1).to(query.dtype)
        if regions is not None:
            query, key, value = (
                part.unflatten(0, (-1, regions.shape[0])) for part in (query, key, value)
            )
            meets = torch.einsum("nar,nbr->nab", regions.to(bias), regions.to(bias)) > 0
            bias = bias.masked_fill(~meets[:, None], -torch.inf)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.project_out(attended.transpose(-3, -2).reshape(tokens.shape))


def _position_index(window: int) -> Tensor:
    """Return `(window^3, window^3)`: for each pair of tokens, the row of the bias table for their offset."""
    axes = [torch.arange(window)] * 3
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
    offsets = places[:, None] - places + window - 1
    rows = 2 * window - 1
    return (offsets[..., 0] * rows + offsets[..., 1]) * rows + offsets[..., 2]


class VolumeBlock(nn.Module):
    """Transformer block of attention within volumes and an MLP, each with a layer norm and a skip connection."""

    def __init__(
        self, width: int, num_heads: int, window: int, *, shifted: bool, between: bool = False
    ) -> None:
        super().__init__()
        self.window, self.shifted = window, shifted
        self.norm1 = nn.LayerNorm(width)
        self.attention = VolumeAttention(width, num_heads, window, between=between)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width),
            nn.GELU(),
            nn.Linear(MLP_RATIO * width, width),
        )

    def forward(self, tokens: Tensor, skip: Tensor | None = None) -> Tensor:
        """Run the block.

        Args:
            tokens: `(B, I, J, K, C)`.
            skip: Tokens of the encoder in the same shape, for skip attention. They are also added to the result. None
                for self-attention.

        Returns:
            Transformed tokens, in the shape of `tokens`.
        """
        i, j, k = tokens.shape[1:4]
        windows = Windows((i, j, k), self.window, shifted=self.shifted, device=tokens.device)
        rows = windows.partition(self.norm1(tokens))
        beside = None if skip is None else windows.partition(self.norm1(skip))
        attended = windows.merge(self.attention(rows, beside, windows.regions))
        tokens = tokens + attended if skip is None else tokens + skip + attended
        return tokens + self.mlp(self.norm2(tokens))
