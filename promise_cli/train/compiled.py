"""The network's operations fused by torch.compile, where that works."""

from collections.abc import Callable

import torch

from promise_cli.device import autocast
from promise_cli.train.answers import Answering
from promise_cli.train.run import Run


def compile_network(network: Answering, run: Run, warn: Callable[[str], None]) -> None:
    """Fuse the operations of both halves of the network, tried once on an empty patch; leave them where that fails."""
    encode, decode = torch.compile(network.encode), torch.compile(network.decode)
    edge, config = run.model.config.patch_size, run.config
    num_clicks = config.num_foreground_clicks + config.num_background_clicks
    patch = torch.zeros(config.batch_size, 1, edge, edge, edge, device=run.device)
    clicks = torch.full((config.batch_size, num_clicks, 3), edge / 2, device=run.device)
    labels = torch.ones(clicks.shape[:2], dtype=torch.long, device=run.device)
    try:
        with autocast(run.device, run.precision):
            mean = decode(encode(patch), clicks, labels).float().mean()
            mean.backward()  # type: ignore[no-untyped-call]
        network.encode, network.decode = encode, decode
    except Exception as error:  # whatever a compiler's chain of tools may raise
        reason = " ".join(str(error).split())[:200]
        warn(f"--compile: does not work here ({type(error).__name__}: {reason}); going on without")
    run.optimizer.zero_grad(set_to_none=True)
