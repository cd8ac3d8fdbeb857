"""Clicks to a feature map that answers them: visual sampling, global queries, cross-attention (paper, Fig. 3)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.model.config import TOKEN_SIZE, ModelConfig
from promise_cli.model.convolution import full_precision
from promise_cli.model.sam import mlp_block


class Attention(nn.Module):
    """Multi-head attention with an inner width of its own, under SAM's names."""

    def __init__(self, width: int, inner_width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(width, inner_width)
        self.k_proj = nn.Linear(width, inner_width)
        self.v_proj = nn.Linear(width, inner_width)
        self.out_proj = nn.Linear(inner_width, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Query `(B, Q, C)`, key and value `(B, K, C)`, mask `(B, 1, 1, K)` true where a key counts."""
        heads = [
            projected.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for projected in (self.q_proj(query), self.k_proj(key), self.v_proj(value))
        ]
        attended = F.scaled_dot_product_attention(*heads, attn_mask=mask)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class PromptLayer(nn.Module):
    """Global queries gather what the clicks show, then every image token asks them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, heads = config.feature_width, config.prompt_heads
        self.global_query = nn.Parameter(0.1 * torch.randn(1, config.num_global_queries, width))
        self.self_attn = Attention(width, width, heads)
        self.norm1 = nn.LayerNorm(width)
        if config.token_attention == "idle":
            self.cross_attn_token_to_image = Attention(width, width // 2, heads)  # never called
        self.norm2 = nn.LayerNorm(width)
        self.mlp = mlp_block(width, config.prompt_mlp_width, nn.ReLU)
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = Attention(width, width // 2, heads)

    def forward(
        self, points: Tensor, image: Tensor, positions: Tensor | None, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One layer.

        Args:
            points: `(B, N, C)` point tokens.
            image: `(B, H * W * D, C)` image tokens.
            positions: `(H * W * D, C)` added to the image tokens as they ask, or None.
            mask: `(B, 1, 1, queries + N)`, false for points that are padding.

        Returns:
            Point tokens and image tokens, of the same shapes.
        """
        queries = torch.cat([self.global_query.expand(points.shape[0], -1, -1), points], dim=1)
        attended = self.norm1(self.self_attn(queries, queries, queries, mask))
        queries = self.norm2(queries + attended)
        count = self.global_query.shape[1]
        answers, points = queries[:, :count], queries[:, count:]
        answers = self.norm3(answers + self.mlp(answers))
        asking = image if positions is None else image + positions
        image = self.norm4(image + self.cross_attn_image_to_token(asking, answers, answers, None))
        return points, image


class PromptEncoder(nn.Module):
    """Two prompt layers on the deepest features, fed by the features at the clicks."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PromptLayer(config) for _ in range(2))
        width = config.feature_width
        self.label_embedding = nn.Embedding(2, width) if config.label_embedding else None
        self.click_position = config.click_position
        if config.click_position:
            self.register_buffer("position_frequencies", torch.randn(3, width // 2))

    def forward(self, features: Tensor, clicks: Tensor, labels: Tensor) -> Tensor:
        """Features of the patch, informed by its clicks.

        Args:
            features: `(B, C, H, W, D)`, the deepest level.
            clicks: `(B, N, 3)` in hwd voxels of the patch.
            labels: `(B, N)`, 1 foreground, 0 background, -1 padding.

        Returns:
            `(B, C, H, W, D)`.
        """
        real = labels >= 0
        points = sample_features(features, clicks)
        if self.label_embedding is not None:
            points = points + self.label_embedding(labels.clamp(min=0))
        positions = None
        if self.click_position:
            size = torch.tensor(features.shape[2:], device=features.device)
            points = points + self._encode(clicks / (TOKEN_SIZE * size))
            positions = self._encode(_token_centres(features))
        mask = F.pad(real, (self.layers[0].global_query.shape[1], 0), value=True)[:, None, None]
        image = features.flatten(2).transpose(1, 2)
        for layer in self.layers:
            points, image = layer(points, image, positions, mask)
        return image.transpose(1, 2).unflatten(2, features.shape[2:]).contiguous()

    def _encode(self, place: Tensor) -> Tensor:
        """Random Fourier features (SAM's prompt encoder) of places in [0, 1]: `(..., 3)` to `(..., C)`."""
        angles = (
            2 * math.pi * (2 * place.to(self.position_frequencies) - 1) @ self.position_frequencies
        )
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


def sample_features(features: Tensor, clicks: Tensor) -> Tensor:
    """Features at the clicks, interpolated between token centres and towards zero outside (paper, section 2).

    Args:
        features: `(B, C, H, W, D)`.
        clicks: `(B, N, 3)` in hwd voxels; voxel p lies at token (p + 1/2) / 4 - 1/2.

    Returns:
        `(B, N, C)`.
    """
    size = TOKEN_SIZE * torch.tensor(features.shape[2:], device=features.device)
    place = (clicks.float() + 0.5) * 2 / size - 1
    grid = place.flip(-1).to(features)[:, :, None, None]  # grid_sample counts axes from the last
    with full_precision(features):
        sampled = F.grid_sample(features, grid, align_corners=False)
    return sampled[..., 0, 0].transpose(1, 2)


def _token_centres(features: Tensor) -> Tensor:
    """Centre of each token as a share of the patch: `(H * W * D, 3)` in hwd."""
    axes = [(torch.arange(n, device=features.device) + 0.5) / n for n in features.shape[2:]]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2)
