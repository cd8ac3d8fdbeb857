"""Wraps a plain network (image in, logits out) so that it has ProMISe's interface: clicks, `encode` and `decode`."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from promise_cli.errors import CheckpointError
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.promise.click_maps import click_maps


class PlainState(NamedTuple):
    """Result of the part of the network that does not depend on the clicks.

    If the network takes no clicks, this includes the logits. Otherwise it is only the image.
    """

    image: Tensor
    """Normalised image, `(B, channels, I, J, K)`."""
    logits: Tensor | None
    """Logits, `(B, 2, I, J, K)`. None if the network must see the clicks first."""


class PlainNetwork(nn.Module):
    """A network that ignores clicks, or sees them as two further channels.

    Tensors are `(B, C, I, J, K)`, and clicks are ijk in voxels of the patch.
    """

    def __init__(self, config: PlainConfig, body: nn.Module) -> None:
        """Wrap `body`, a network that turns `(B, config.in_channels, I, J, K)` into `(B, 2, I, J, K)`."""
        super().__init__()
        self.config = config
        self.body = body

    @property
    def takes_clicks(self) -> bool:
        """Whether clicks change the logits."""
        return self.config.clicks_as_channel

    def forward(self, patch: Tensor, clicks: Tensor, signs: Tensor) -> Tensor:
        """Compute the logits of background and foreground, `(B, 2, I, J, K)`.

        Args:
            patch: `(B, channels, I, J, K)`, normalised intensities.
            clicks: `(B, N, 3)`, ijk in voxels of the patch. They are ignored if the network takes no clicks.
            signs: `(B, N)` integers: 1 foreground, 0 background, -1 padding.

        Raises:
            ValueError: The patch does not have the configured size, or the shapes of clicks and signs do not fit.
            PromptError: A click lies outside the patch. A network that takes no clicks does not check them.
        """
        return self.decode(self.encode(patch), clicks, signs)

    def encode(self, patch: Tensor) -> PlainState:
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
        return PlainState(patch, None if self.takes_clicks else self.body(patch))

    def decode(self, state: PlainState, clicks: Tensor, signs: Tensor) -> Tensor:
        """Compute the logits for clicks on an encoded patch. Arguments, result and errors are those of `forward`."""
        if state.logits is not None:
            return state.logits
        maps = click_maps(clicks, signs, self.config.patch_size, self.config.click_sigma)
        return self.body(torch.cat([state.image, maps.to(state.image.dtype)], dim=1))

    def checkpoint_activations(self, enabled: bool = True) -> None:
        """Recompute blocks in the backward pass, if the architecture has blocks that support it.

        Raises:
            CheckpointError: `enabled` is true, and the architecture has no such blocks.
        """
        able = [module for module in self.body.modules() if hasattr(module, "use_checkpoint")]
        if enabled and not able:
            raise CheckpointError(
                "--checkpoint-activations: this network cannot recompute activations; leave the option out, or train"
                " promise, swin_unetr, ux_net or nnformer"
            )
        for module in able:
            module.use_checkpoint = enabled  # type: ignore[assignment]
