"""The ProMISe network, which turns one patch and its clicks into logits, in the order of the paper's Fig. 1."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from promise_cli.network.promise.click_maps import check_clicks, coarse_maps
from promise_cli.network.promise.config import TOKEN_SIZE, ModelConfig
from promise_cli.network.promise.image_encoder import ImageEncoder
from promise_cli.network.promise.mask_decoder import MaskDecoder
from promise_cli.network.promise.prompt_encoder import PromptEncoder


class ImageState(NamedTuple):
    """Result of the part of the network that does not depend on the clicks."""

    features: Tensor
    """Deepest feature level, `(B, feature_width, H, W, D)`, with H, W and D in tokens."""
    partial: Tensor
    """Decoder's sum over all of its inputs that no click changes, `(B, decoder_width, 2H, 2W, 2D)`."""


class ProMISe(nn.Module):
    """A pretrained 2D image transformer, extended to outline the tumour under a click in 3D.

    Tensors are `(B, C, I, J, K)`, and clicks are ijk in voxels of the patch. Inside the network the axes are
    (H, W, D) = (J, I, K), so the planes that the 2D transformer sees are perpendicular to K. Only this class converts
    between the two orders.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ImageEncoder(config)
        self.prompt_encoder = PromptEncoder(config)
        self.mask_decoder = MaskDecoder(config)

    def forward(self, patch: Tensor, clicks: Tensor, signs: Tensor) -> Tensor:
        """Compute the logits of background and foreground. This is `decode(encode(patch), clicks, signs)`.

        Args:
            patch: `(B, channels, I, J, K)`, normalised intensities.
            clicks: `(B, N, 3)`, ijk in voxels of the patch. Fractions are allowed.
            signs: `(B, N)` integers: 1 foreground, 0 background, -1 padding. Padding clicks are ignored.

        Returns:
            `(B, 2, I, J, K)`.

        Raises:
            ValueError: The patch does not have the configured size, or the shapes of clicks and signs do not fit.
            PromptError: A click lies outside the patch.
        """
        return self.decode(self.encode(patch), clicks, signs)

    def encode(self, patch: Tensor) -> ImageState:
        """Compute what all clicks on a patch `(B, channels, I, J, K)` share.

        Raises:
            ValueError: The patch does not have the configured size or number of channels.
        """
        edge, channels = self.config.patch_size, self.config.channels
        if patch.ndim != 5 or tuple(patch.shape[1:]) != (channels, edge, edge, edge):
            raise ValueError(
                f"the patch has shape {tuple(patch.shape)},"
                f" but this network takes (B, {channels}, {edge}, {edge}, {edge})"
            )
        image = _to_hwd(patch)
        *levels, deepest = self.image_encoder(image)
        return ImageState(deepest, self.mask_decoder.encode(levels, image))

    def decode(self, state: ImageState, clicks: Tensor, signs: Tensor) -> Tensor:
        """Compute the logits for clicks on an encoded patch. Arguments, result and errors are those of `forward`."""
        if clicks.shape != (state.features.shape[0], signs.shape[-1], 3) or signs.ndim != 2:
            raise ValueError(
                f"clicks {tuple(clicks.shape)} and signs {tuple(signs.shape)} do not fit a batch of"
                f" {state.features.shape[0]}; they must be (B, N, 3) and (B, N)"
            )
        check_clicks(clicks, signs, self.config.patch_size)
        i, j, k = clicks.unbind(dim=-1)
        hwd = torch.stack([j, i, k], dim=-1)
        prompted = self.prompt_encoder(state.features, hwd, signs)
        maps = None
        if self.config.click_map_in_head:
            stride = TOKEN_SIZE // 2
            edge = self.config.patch_size // stride
            maps = coarse_maps(hwd, signs, edge, stride).to(state.partial.dtype)
        # The conversion swaps two axes, so it also converts back.
        return _to_hwd(self.mask_decoder.decode(state.partial, prompted, maps))

    def freeze_encoder(self) -> None:
        """Exclude the pretrained parameters from training. Adapters, norms and all other parts are still trained."""
        for parameter in self.image_encoder.pretrained_parameters().values():
            parameter.requires_grad_(False)

    def checkpoint_activations(self, enabled: bool = True) -> None:
        """Recompute each encoder block in the backward pass. This saves memory and takes a third more time."""
        self.image_encoder.checkpointing = enabled


def _to_hwd(tensor: Tensor) -> Tensor:
    """Convert `(B, C, I, J, K)` to `(B, C, H, W, D)` = `(B, C, J, I, K)`, or back."""
    return tensor.transpose(2, 3)
