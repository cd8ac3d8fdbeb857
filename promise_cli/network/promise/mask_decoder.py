"""The mask decoder, which turns four feature levels, the CNN's features and the image into logits (paper, Fig. 2b)."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.network.promise.click_maps import MAP_SIGMAS
from promise_cli.network.promise.cnn_encoder import CNNEncoder, ConvBlock
from promise_cli.network.promise.config import TOKEN_SIZE, ModelConfig
from promise_cli.network.promise.convolution import convolve, full_precision
from promise_cli.network.promise.folding import fold_upsampled_conv


class Branch(nn.Module):
    """The layers that bring one feature level to half the patch's resolution."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.decoder_width
        self.blocks = nn.Sequential(ConvBlock(config.feature_width, width), ConvBlock(width, width))
        self.up = (
            nn.ConvTranspose3d(width, width, 2, stride=2)
            if config.upsampling == "convolution"
            else None
        )

    def share(self, features: Tensor, head_weight: Tensor) -> Tensor:
        """Compute this level's share of the head's first convolution.

        Args:
            features: `(B, feature_width, H, W, D)`.
            head_weight: `(width, width, 3, 3, 3)`, the head's weights for the inputs from this level.

        Returns:
            `(B, width, 2H, 2W, 2D)`.
        """
        features = self.blocks(features)
        if self.up is None:
            grown = F.interpolate(features, scale_factor=2, mode="trilinear", align_corners=True)
            return convolve(grown, head_weight, padding=1)
        with full_precision(features):
            kernel = fold_upsampled_conv(self.up.weight, cast(Tensor, self.up.bias), head_weight)
        with_ones = F.pad(features, (0,) * 7 + (1,), value=1.0)
        return F.conv_transpose3d(with_ones, kernel, stride=2, padding=1)


class MaskDecoder(nn.Module):
    """The decoder's head over all levels, split in two steps so that a new click repeats only what depends on it.

    The head's first convolution is linear in its inputs, which are the feature levels, the CNN's features, the image
    and the maps of the clicks. It is therefore computed as a sum with one term for each input.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.decoder_width
        self.fusion = config.fusion
        self.branches = nn.ModuleList(Branch(config) for _ in range(4))
        self.cnn = None if config.fusion == "none" else CNNEncoder(config.channels, width)
        self.widths = [width] * (5 if config.fusion == "concat" else 4) + [config.channels]
        self.head1 = nn.Conv3d(sum(self.widths), width, 3, padding=1, bias=False)
        head2 = nn.Conv3d(width, 2, 3, padding=1, bias=False)
        self.click_head = None
        if config.click_map_in_head:
            # The weights start at zero and are created last. Thus a new network equals the one without these maps.
            # `head2` is assigned after this layer, because optimizer states of earlier runs rely on this order.
            self.click_head = nn.Conv3d(2 * len(MAP_SIGMAS), width, 3, padding=1, bias=False)
            nn.init.zeros_(self.click_head.weight)
        self.head2 = head2

    def encode(self, levels: list[Tensor], image: Tensor) -> Tensor:
        """Compute the part of the head's first convolution that no click changes.

        Args:
            levels: The three shallow feature levels, each `(B, feature_width, H, W, D)`.
            image: `(B, channels, 4H, 4W, 4D)`.

        Returns:
            `(B, width, 2H, 2W, 2D)`.
        """
        half = F.avg_pool3d(image, TOKEN_SIZE // 2)
        detail = half if self.cnn is None else self.cnn(half)
        if self.fusion == "concat":
            joined = torch.cat([detail, half], dim=1)
            partial = convolve(joined, self._columns(4, 6), padding=1)
        else:
            partial = convolve(half, self._columns(4, 5), padding=1)
        if self.fusion == "residual":
            partial = partial + detail
        for index, features in enumerate(levels):
            partial = partial + self._share(index, features)
        return partial

    def decode(self, partial: Tensor, prompted: Tensor, maps: Tensor | None) -> Tensor:
        """Compute the logits of background and foreground.

        Args:
            partial: Result of `encode`.
            prompted: Result of the prompt encoder, `(B, feature_width, H, W, D)`.
            maps: Maps of the clicks, `(B, 2 * len(MAP_SIGMAS), 2H, 2W, 2D)`, which are further inputs of the head's
                first convolution. None if the head takes no maps.

        Returns:
            `(B, 2, 4H, 4W, 4D)`.
        """
        hidden = partial + self._share(3, prompted)
        if self.click_head is not None:
            assert maps is not None
            hidden = hidden + convolve(maps, self.click_head.weight, padding=1)
        logits = convolve(F.relu(F.instance_norm(hidden)), self.head2.weight, padding=1)
        return F.interpolate(logits, scale_factor=2, mode="trilinear", align_corners=True)

    def _share(self, level: int, features: Tensor) -> Tensor:
        branch = cast(Branch, self.branches[level])
        return branch.share(features, self._columns(level, level + 1))

    def _columns(self, start: int, stop: int) -> Tensor:
        """Return the head's weights for the inputs from `start` to `stop`.

        The inputs are the four levels, then the CNN's features if they are concatenated, then the image.
        """
        first, last = sum(self.widths[:start]), sum(self.widths[:stop])
        return self.head1.weight[:, first:last]
