"""A network from image to logits, called as ProMISe is called: with clicks, in two halves."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from promise_cli.errors import CheckpointError
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.promise.click_maps import click_maps


class PlainState(NamedTuple):
    """What does not depend on the clicks: all where there are none, else the image alone."""

    image: Tensor
    """`(B, 1, I, J, K)`."""
    logits: Tensor | None
    """`(B, 2, I, J, K)`, or None where the network must see the clicks first."""


class PlainNetwork(nn.Module):
    """A network that ignores clicks, or sees them as two further channels.

    Tensors are (B, C, I, J, K), clicks ijk voxels of the patch.
    """

    def __init__(self, config: PlainConfig, body: nn.Module) -> None:
        """`body` turns `(B, config.in_channels, I, J, K)` into `(B, 2, I, J, K)`."""
        super().__init__()
        self.config = config
        self.body = body

    @property
    def takes_clicks(self) -> bool:
        """Whether clicks change the answer."""
        return self.config.clicks_as_channel

    def forward(self, patch: Tensor, clicks: Tensor, signs: Tensor) -> Tensor:
        """Logits of background and foreground, `(B, 2, I, J, K)`.

        Args:
            patch: `(B, 1, I, J, K)`, normalised intensities.
            clicks: `(B, N, 3)` ijk in voxels of the patch; not looked at where clicks do not enter.
            signs: `(B, N)` integers: 1 foreground, 0 background, -1 padding.

        Raises:
            ValueError: The patch is not of the configured size, or clicks and signs do not fit.
            PromptError: A click lies outside the patch.
        """
        return self.decode(self.encode(patch), clicks, signs)

    def encode(self, patch: Tensor) -> PlainState:
        """All of the answer that does not depend on the clicks."""
        edge = self.config.patch_size
        if patch.ndim != 5 or tuple(patch.shape[1:]) != (1, edge, edge, edge):
            raise ValueError(
                f"a patch of shape {tuple(patch.shape)};"
                f" this network takes (B, 1, {edge}, {edge}, {edge})"
            )
        return PlainState(patch, None if self.takes_clicks else self.body(patch))

    def decode(self, state: PlainState, clicks: Tensor, signs: Tensor) -> Tensor:
        """Logits for clicks on an encoded patch; arguments, result and errors as in `forward`."""
        if state.logits is not None:
            return state.logits
        maps = click_maps(clicks, signs, self.config.patch_size, self.config.click_sigma)
        return self.body(torch.cat([state.image, maps.to(state.image.dtype)], dim=1))

    def checkpoint_activations(self, enabled: bool = True) -> None:
        """Recompute blocks in the backward pass, where the architecture has blocks that can.

        Raises:
            CheckpointError: It has none.
        """
        able = [module for module in self.body.modules() if hasattr(module, "use_checkpoint")]
        if enabled and not able:
            raise CheckpointError(
                "--checkpoint-activations: this network keeps all of its activations; leave the option out, or train"
                " promise, swin_unetr, ux_net or nnformer"
            )
        for module in able:
            module.use_checkpoint = enabled  # type: ignore[assignment]
