"""What one patch costs, counted without computing anything."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from promise_cli.architectures.registry import Network, NetworkConfig, build_network
from promise_cli.model import ModelConfig


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
