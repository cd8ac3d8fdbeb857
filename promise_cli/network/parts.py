"""The encoder and the head of each network, and how one of them is kept from training (`--freeze`)."""

from typing import TYPE_CHECKING, Literal, get_args

from promise_cli.errors import PlanError, did_you_mean

if TYPE_CHECKING:
    from torch import nn

Freezing = Literal["nothing", "encoder", "all-but-head"]
FREEZINGS: tuple[str, ...] = get_args(Freezing)
"""Values of `--freeze`."""

_ENCODERS: dict[str, tuple[str, ...]] = {
    "promise": ("image_encoder.",),
    "dynunet": ("body.input_block.", "body.downsamples.", "body.bottleneck."),
    "swin_unetr": ("body.swinViT.", "body.encoder"),
    "segresnet": ("body.convInit.", "body.down_layers."),
    "ux_net": ("body.encoder.",),
    "nnformer": ("body.embedding.", "body.encoder.", "body.norms.", "body.down."),
}
"""Beginnings of the names of the encoder's parameters, by network."""
_HEADS: dict[str, tuple[str, ...]] = {
    "promise": ("mask_decoder.head1.", "mask_decoder.head2.", "mask_decoder.click_head."),
    "dynunet": ("body.output_block.",),
    "swin_unetr": ("body.out.",),
    "segresnet": ("body.conv_final.",),
    "ux_net": ("body.head.",),
    "nnformer": ("body.head.",),
}
"""Beginnings of the names of the parameters of the last layers, which compute the logits, by network."""


def check_freezing(name: str) -> None:
    """Refuse an unknown value of `--freeze`.

    Raises:
        PlanError: The value is unknown.
    """
    if name not in FREEZINGS:
        near = did_you_mean(name, FREEZINGS)
        raise PlanError(f"--freeze {name}: unknown; use one of {', '.join(FREEZINGS)}{near}")


def frozen_names(model: "nn.Module", network: str, freezing: Freezing) -> tuple[str, ...]:
    """Return the names of the parameters that `freezing` excludes from training."""
    if freezing == "nothing":
        return ()
    names = (name for name, _ in model.named_parameters())
    if freezing == "encoder":
        return tuple(name for name in names if name.startswith(_ENCODERS[network]))
    return tuple(name for name in names if not name.startswith(_HEADS[network]))


def freeze(model: "nn.Module", network: str, freezing: Freezing) -> None:
    """Exclude a part of a network from training, in place.

    Args:
        model: The network.
        network: Its name in `network.registry`.
        freezing: `encoder` keeps the encoder, `all-but-head` everything besides the last layers.
    """
    kept = set(frozen_names(model, network, freezing))
    for name, parameter in model.named_parameters():
        if name in kept:
            parameter.requires_grad_(False)
