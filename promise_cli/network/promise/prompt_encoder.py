"""The prompt encoder, which updates image features by the clicks (paper, Fig. 3).

It samples features at the clicks, collects them in global queries, and passes them to all tokens by cross-attention.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.network.promise.click_maps import MAP_SIGMAS, coarse_maps
from promise_cli.network.promise.config import TOKEN_SIZE, ModelConfig
from promise_cli.network.promise.convolution import full_precision
from promise_cli.network.promise.initial import normal
from promise_cli.network.promise.sam import mlp_block


class Attention(nn.Module):
    """Multi-head attention whose inner width can differ from the width of tokens. Parameters have SAM's names."""

    def __init__(self, width: int, inner_width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(width, inner_width)
        self.k_proj = nn.Linear(width, inner_width)
        self.v_proj = nn.Linear(width, inner_width)
        self.out_proj = nn.Linear(inner_width, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Attend from queries to keys.

        Args:
            query: `(B, Q, C)`.
            key: `(B, K, C)`.
            value: `(B, K, C)`.
            mask: `(B, 1, 1, K)` booleans, true for each key that counts. None if all keys count.

        Returns:
            `(B, Q, C)`.
        """
        attended = F.scaled_dot_product_attention(
            self._heads(self.q_proj(query)),
            self._heads(self.k_proj(key)),
            self._heads(self.v_proj(value)),
            attn_mask=mask,
        )
        return self.out_proj(attended.transpose(1, 2).flatten(2))

    def _heads(self, projected: Tensor) -> Tensor:
        return projected.reshape(*projected.shape[:2], self.num_heads, -1).transpose(1, 2)


class PromptLayer(nn.Module):
    """A layer in which global queries attend to the clicks, and all image tokens then attend to the queries."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, heads = config.feature_width, config.prompt_heads
        self.global_query = nn.Parameter(normal(1, config.num_global_queries, width, std=0.1))
        self.self_attn = Attention(width, width, heads)
        self.norm1 = nn.LayerNorm(width)
        if config.token_attention == "idle":
            self.cross_attn_token_to_image = Attention(width, width // 2, heads)  # never called
        self.norm2 = nn.LayerNorm(width)
        self.mlp = mlp_block(width, config.prompt_mlp_width, nn.ReLU)
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = Attention(width, width // 2, heads)

    def forward(self, points: Tensor, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Run the layer.

        Args:
            points: Tokens of the clicks, `(B, N, C)`.
            image: Tokens of the image, `(B, H * W * D, C)`.
            mask: `(B, 1, 1, num_global_queries + N)` booleans, false for padding clicks.

        Returns:
            Tokens of the clicks and tokens of the image, in the same shapes.
        """
        queries = torch.cat([self.global_query.expand(points.shape[0], -1, -1), points], dim=1)
        attended = self.norm1(self.self_attn(queries, queries, queries, mask))
        queries = self.norm2(queries + attended)
        count = self.global_query.shape[1]
        answers, points = queries[:, :count], queries[:, count:]
        answers = self.norm3(answers + self.mlp(answers))
        image = self.norm4(image + self.cross_attn_image_to_token(image, answers, answers, None))
        return points, image


class PromptEncoder(nn.Module):
    """Two prompt layers that update the deepest features. Their prompts are the features at the clicks."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PromptLayer(config) for _ in range(2))
        self.num_queries = config.num_global_queries
        width = config.feature_width
        self.click_map = (
            nn.Conv3d(2 * len(MAP_SIGMAS), width, 1, bias=False) if config.click_map else None
        )

    def forward(self, features: Tensor, clicks: Tensor, signs: Tensor) -> Tensor:
        """Update the features of a patch by its clicks.

        Args:
            features: Deepest feature level, `(B, C, H, W, D)`.
            clicks: `(B, N, 3)`, hwd in voxels of the patch.
            signs: `(B, N)`: 1 foreground, 0 background, -1 padding.

        Returns:
            `(B, C, H, W, D)`.
        """
        real = signs >= 0
        if self.click_map is not None:
            maps = coarse_maps(clicks, signs, features.shape[2], TOKEN_SIZE)
            features = features + self.click_map(maps.to(features.dtype))
        points = sample_features(features, clicks)
        mask = F.pad(real, (self.num_queries, 0), value=True)[:, None, None]
        image = features.flatten(2).transpose(1, 2)
        for layer in self.layers:
            points, image = layer(points, image, mask)
        return image.transpose(1, 2).reshape(features.shape)


def sample_features(features: Tensor, clicks: Tensor) -> Tensor:
    """Interpolate features at the clicks, between the centres of tokens.

    Beyond the outermost centres, features fall towards zero.

    Args:
        features: `(B, C, H, W, D)`.
        clicks: `(B, N, 3)`, hwd in voxels of the patch. Voxel p lies at token (p + 1/2) / 4 - 1/2.

    Returns:
        `(B, N, C)`.
    """
    with full_precision(features):  # bfloat16 would round the places of the clicks
        features = features.to(torch.promote_types(features.dtype, torch.float32))
        place = (clicks.to(features) + 0.5) * 2
        # A tensor of sizes would have to be copied to the device, and the host would wait for it. grid_sample expects
        # the last axis first.
        axes = [
            place[..., axis] / (TOKEN_SIZE * features.shape[2 + axis]) - 1 for axis in (2, 1, 0)
        ]
        grid = torch.stack(axes, dim=-1)[:, :, None, None]
        sampled = F.grid_sample(features, grid, align_corners=False)
    return sampled[..., 0, 0].transpose(1, 2)
