"""The networks by name. A new one is a file that ends in its `Architecture`, and one line here."""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from promise_cli.errors import PlanError
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

PLAIN: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        DYNUNET,
        SWIN_UNETR,
        SEGRESNET,
        UX_NET,
        NNFORMER,
    )
}
"""Those beside ProMISe."""

NETWORKS: tuple[str, ...] = (PROMISE, *PLAIN)

Network = ProMISe | PlainNetwork
NetworkConfig = ModelConfig | PlainConfig


def check_name(name: str) -> None:
    """Refuse a name that no network has.

    Raises:
        PlanError: It is unknown.
    """
    if name != PROMISE and name not in PLAIN:
        raise PlanError(f"--network {name}: unknown; use one of {', '.join(NETWORKS)}")


def config_type(name: str) -> Any:
    """The record that holds a network's sizes."""
    check_name(name)
    return ModelConfig if name == PROMISE else PLAIN[name].config_type


def plan_network(name: str, setting: Setting) -> PlainConfig:
    """Sizes of one of `PLAIN` for a dataset."""
    return PLAIN[name].plan(setting)


def build_network(name: str, config: NetworkConfig) -> Network:
    """A network with random weights."""
    if isinstance(config, ModelConfig):
        return ProMISe(config)
    return PlainNetwork(config, PLAIN[name].build(config))


def takes_clicks(config: NetworkConfig) -> bool:
    """Whether clicks change what a network answers; the others look at whole scans."""
    return isinstance(config, ModelConfig) or config.clicks_as_channel


def centres_clicks(config: NetworkConfig) -> bool:
    """Whether the click lies in the middle of the window, as the paper tests ProMISe.

    Networks that see where it is need no click in the middle; their windows are moved into the scan, which shows them
    more of it (docs/results.md).
    """
    return isinstance(config, ModelConfig) and not config.click_map


def encoder_of(config: NetworkConfig) -> EncoderName | None:
    """The pretrained image transformer, which only ProMISe has."""
    return config.encoder if isinstance(config, ModelConfig) else None


def describe_network(name: str, config: NetworkConfig) -> str:
    """For the screen, such as `promise, encoder sam_vit_b`."""
    if isinstance(config, ModelConfig):
        return f"{name}, encoder {config.encoder}"
    return f"{name}, {'clicks as a channel' if config.clicks_as_channel else 'without clicks'}"


def count_operations(name: str, config: NetworkConfig) -> int:
    """Floating-point operations of one forward pass with one click; a multiplication and its addition count as two.

    Counted are convolutions, matrix products and attention, as torch counts them; they are nearly all.
    """
    model = _without_numbers(name, config)
    edge = config.patch_size
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(
            torch.empty(1, 1, edge, edge, edge),
            torch.empty(1, 1, 3),
            torch.ones(1, 1, dtype=torch.long),
        )
    total: int = counter.get_total_flops()
    return total


def _without_numbers(name: str, config: NetworkConfig) -> Network:
    """The network with shapes alone; a plain one is built whole first, since MONAI's read numbers meanwhile."""
    if isinstance(config, ModelConfig):
        with torch.device("meta"):
            return build_network(name, config).eval()
    with torch.random.fork_rng(devices=[]):  # a run's own draws must not move
        return build_network(name, config).to("meta").eval()
