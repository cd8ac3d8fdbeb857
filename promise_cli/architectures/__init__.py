"""The networks by name: ProMISe, and those that the paper's Table 1 compares it with, in the same harness.

`registry` names them; each file beside it that ends in an `Architecture` is one of them. `plain` lets a network from
image to logits be called as ProMISe is, with clicks as channels where it takes them; `unet_plan` is nnU-Net's plan.
"""

from promise_cli.architectures.architecture import Setting
from promise_cli.architectures.config import PlainConfig
from promise_cli.architectures.operations import count_operations
from promise_cli.architectures.plain import PlainNetwork, PlainState
from promise_cli.architectures.registry import (
    NETWORKS,
    PLAIN,
    PROMISE,
    Network,
    NetworkConfig,
    build_network,
    centres_clicks,
    check_name,
    config_type,
    describe_network,
    encoder_of,
    plan_network,
    takes_clicks,
)

__all__ = [
    "NETWORKS",
    "PLAIN",
    "PROMISE",
    "Network",
    "NetworkConfig",
    "PlainConfig",
    "PlainNetwork",
    "PlainState",
    "Setting",
    "build_network",
    "centres_clicks",
    "check_name",
    "config_type",
    "count_operations",
    "describe_network",
    "encoder_of",
    "plan_network",
    "takes_clicks",
]
