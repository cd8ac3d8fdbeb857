"""All networks by name: how each is planned, built and described, and what it costs.

To add a rival, write a module in `rivals/` that ends with an `Architecture`, and list it in `RIVALS` below.
"""

from functools import cache
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from promise_cli.errors import PlanError, did_you_mean, format_bytes
from promise_cli.jobs import free_memory
from promise_cli.network.architecture import Architecture, Setting
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.promise import ModelConfig, ProMISe
from promise_cli.network.promise.config import EncoderName
from promise_cli.network.rivals.dynunet import DYNUNET
from promise_cli.network.rivals.nnformer import NNFORMER
from promise_cli.network.rivals.plain import PlainNetwork
from promise_cli.network.rivals.segresnet import SEGRESNET
from promise_cli.network.rivals.swin_unetr import SWIN_UNETR
from promise_cli.network.rivals.ux_net import UX_NET

PROMISE = "promise"
"""Name of ProMISe on the command line (`--network`)."""

RIVALS: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        DYNUNET,
        SWIN_UNETR,
        SEGRESNET,
        UX_NET,
        NNFORMER,
    )
}
"""The networks other than ProMISe, by name."""

NETWORKS: tuple[str, ...] = (PROMISE, *RIVALS)
"""Names of all networks."""

Network = ProMISe | PlainNetwork
NetworkConfig = ModelConfig | PlainConfig


def check_name(name: str) -> None:
    """Refuse an unknown name of a network.

    Raises:
        PlanError: No network has this name.
    """
    if name != PROMISE and name not in RIVALS:
        near = did_you_mean(name, NETWORKS)
        raise PlanError(f"--network {name}: unknown; use one of {', '.join(NETWORKS)}{near}")


def config_type(name: str) -> Any:
    """Return the class of the record that holds a network's sizes.

    Raises:
        PlanError: No network has this name.
    """
    check_name(name)
    return ModelConfig if name == PROMISE else RIVALS[name].config_type


def plan_network(name: str, setting: Setting) -> PlainConfig:
    """Choose the sizes of a rival for a dataset."""
    return RIVALS[name].plan(setting)


def build_network(name: str, config: NetworkConfig) -> Network:
    """Build a network with random weights.

    Raises:
        PlanError: The sizes do not fit together, or the weights do not fit into the free memory.
    """
    if isinstance(config, ModelConfig):
        with torch.device("meta"):
            size = sum(weights.nbytes for weights in ProMISe(config).parameters())
        free = free_memory()
        if size > free:
            raise PlanError(
                f"the network's weights need {format_bytes(size)} of memory and {format_bytes(free)} are free; choose"
                " smaller sizes"
            )
        return ProMISe(config)
    try:
        return PlainNetwork(config, RIVALS[name].build(config))
    except Exception as error:  # MONAI has many ways to refuse sizes
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise PlanError(
            f"{name} cannot be built with the sizes {config} ({reason}); correct them"
        ) from error


def takes_clicks(config: NetworkConfig) -> bool:
    """Return whether clicks change the masks of a network. Networks without clicks segment whole scans."""
    return isinstance(config, ModelConfig) or config.clicks_as_channel


def centres_clicks(config: NetworkConfig) -> bool:
    """Return whether the window must be centred on the click, as in the paper's test of ProMISe (section 3).

    Other networks see a map of the clicks, so the click need not be in the middle. A window that would reach beyond
    the scan is therefore moved into it, so that the network sees more of the scan (docs/results.md).
    """
    return isinstance(config, ModelConfig) and not config.click_map


def encoder_of(config: NetworkConfig) -> EncoderName | None:
    """Return the name of ProMISe's pretrained image encoder. A rival has no such encoder and gives None."""
    return config.encoder if isinstance(config, ModelConfig) else None


def describe_network(name: str, config: NetworkConfig) -> str:
    """Return a short description for messages, such as `promise, encoder sam_vit_b`."""
    several = f", {config.channels} channels" if config.channels > 1 else ""
    if isinstance(config, ModelConfig):
        return f"{name}, encoder {config.encoder}{several}"
    clicks = "clicks as a channel" if config.clicks_as_channel else "without clicks"
    return f"{name}, {clicks}{several}"


@cache
def count_operations(name: str, config: NetworkConfig) -> int:
    """Count the floating-point operations of one forward pass with one click.

    A multiplication and its addition count as two operations. torch counts convolutions, matrix products and
    attention, which are nearly all operations.
    """
    model = _without_numbers(name, config)
    edge = config.patch_size
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(
            torch.empty(1, config.channels, edge, edge, edge),
            torch.empty(1, 1, 3),
            torch.ones(1, 1, dtype=torch.long),
        )
    total: int = counter.get_total_flops()
    return total


def _without_numbers(name: str, config: NetworkConfig) -> Network:
    """Build the network on torch's meta device, that is, with shapes but without values.

    A rival is built with values first, because MONAI's networks read values of tensors while they are built.
    """
    if isinstance(config, ModelConfig):
        with torch.device("meta"):
            return build_network(name, config).eval()
    with torch.random.fork_rng(devices=[]):  # the run's random numbers must stay the same
        return build_network(name, config).to("meta").eval()
