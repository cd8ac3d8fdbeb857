"""ProMISe: one patch and its clicks to logits, in the order of Fig. 1."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from promise_cli.network.promise.click_maps import check_clicks, coarse_maps
from promise_cli.network.promise.config import TOKEN_SIZE, ModelConfig
from promise_cli.network.promise.image_encoder import ImageEncoder
from promise_cli.network.promise.mask_decoder import MaskDecoder
from promise_cli.network.promise.prompt_encoder import PromptEncoder


class ImageState(NamedTuple):
    """Everything of a patch that does not depend on the clicks."""

    features: Tensor
    """`(B, feature_width, H, W, D)`, the deepest level on the token grid."""
    partial: Tensor
    """`(B, decoder_width, 2H, 2W, 2D)`, the decoder's sum over all that no click changes."""


class ProMISe(nn.Module):
    """A pretrained image transformer that outlines the tumour under a click in 3D.

    Tensors are (B, C, I, J, K), clicks ijk voxels of the patch. Inside, the axes are
    (H, W, D) = (J, I, K): the planes of the 2D transformer lie across K. Only this class converts.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ImageEncoder(config)
        self.prompt_encoder = PromptEncoder(config)
        self.mask_decoder = MaskDecoder(config)

    def forward(self, patch: Tensor, clicks: Tensor, signs: Tensor) -> Tensor:
        """Logits of background and foreground; `decode(encode(patch), clicks, signs)`.

        Args:
            patch: `(B, 1, I, J, K)`, normalised intensities.
            clicks: `(B, N, 3)` ijk in voxels of the patch, fractions allowed.
            signs: `(B, N)` integers: 1 foreground, 0 background, -1 padding, ignored entirely.

        Returns:
            `(B, 2, I, J, K)`.

        Raises:
            ValueError: The patch is not of the configured size, or clicks and signs do not fit.
            PromptError: A click lies outside the patch.
        """
        return self.decode(self.encode(patch), clicks, signs)

    def encode(self, patch: Tensor) -> ImageState:
        """What every click on `(B, 1, I, J, K)` shares."""
        edge = self.config.patch_size
        if patch.ndim != 5 or tuple(patch.shape[1:]) != (1, edge, edge, edge):
            raise ValueError(
                f"a patch of shape {tuple(patch.shape)};"
                f" this network takes (B, 1, {edge}, {edge}, {edge})"
            )
        image = _to_hwd(patch)
        *levels, deepest = self.image_encoder(image)
        return ImageState(deepest, self.mask_decoder.encode(levels, image))

    def decode(self, state: ImageState, clicks: Tensor, signs: Tensor) -> Tensor:
        """Logits for clicks on an encoded patch; arguments, result and errors as in `forward`."""
        if clicks.shape != (state.features.shape[0], signs.shape[-1], 3) or signs.ndim != 2:
            raise ValueError(
                f"clicks {tuple(clicks.shape)} and signs {tuple(signs.shape)} for a batch of"
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
        return _to_hwd(self.mask_decoder.decode(state.partial, prompted, maps))  # its own inverse

    def freeze_encoder(self) -> None:
        """Keep the pretrained part as it is; adapters, norms and all that follows train."""
        for parameter in self.image_encoder.pretrained_parameters().values():
            parameter.requires_grad_(False)

    def checkpoint_activations(self, enabled: bool = True) -> None:
        """Recompute each block in the backward pass: less memory for a third more time."""
        self.image_encoder.checkpointing = enabled


def _to_hwd(tensor: Tensor) -> Tensor:
    """(B, C, I, J, K) to (B, C, H, W, D) = (B, C, J, I, K), and back."""
    return tensor.transpose(2, 3)
