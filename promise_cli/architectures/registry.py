"""The networks by name. A new one is a file that ends in its `Architecture`, and one line here."""

from typing import Any

from promise_cli.architectures.architecture import Architecture, Setting
from promise_cli.architectures.config import PlainConfig
from promise_cli.architectures.dynunet import DYNUNET
from promise_cli.architectures.nnformer import NNFORMER
from promise_cli.architectures.plain import PlainNetwork
from promise_cli.architectures.segresnet import SEGRESNET
from promise_cli.architectures.swin_unetr import SWIN_UNETR
from promise_cli.architectures.ux_net import UX_NET
from promise_cli.errors import PlanError
from promise_cli.model import ModelConfig, ProMISe
from promise_cli.model.config import EncoderName

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
