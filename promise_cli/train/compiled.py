"""Speed up a network with torch.compile, where that works."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from promise_cli.network.device import autocast, uncached
from promise_cli.prompts import PADDING
from promise_cli.train.corrections import Answering
from promise_cli.train.run import Run


def compile_network(network: Answering, run: Run, warn: Callable[[str], None]) -> None:
    """Compile both halves of a network, `encode` and `decode`, with torch.compile.

    They are tried once on a batch of empty patches, forward and backward. If this fails, the network stays as it is.

    Args:
        network: The network, whose two halves are replaced.
        run: The run, for its recipe, device and precision.
        warn: Called with one line if compiling fails.
    """
    config, sizes, edge = run.config, run.model.config, run.model.config.patch_size
    given = config.num_foreground_clicks + config.num_background_clicks
    encode = torch.compile(network.encode)
    decode = _of_one_length(torch.compile(network.decode), given + config.corrections)
    patch = torch.zeros(config.batch_size, sizes.channels, edge, edge, edge, device=run.device)
    clicks = torch.full((config.batch_size, given, 3), edge / 2, device=run.device)
    signs = torch.ones(clicks.shape[:2], dtype=torch.long, device=run.device)
    try:
        with autocast(run.device, run.precision):
            state = encode(patch)
            if config.corrections:
                with torch.no_grad(), uncached():
                    decode(state, clicks, signs)
            mean = decode(state, clicks, signs).float().mean()
            mean.backward()  # type: ignore[no-untyped-call]
        network.encode, network.decode = encode, decode
    except Exception as error:  # a compiler's tools may raise anything
        reason = " ".join(str(error).split())[:200]
        warn(
            f"--compile: does not work here ({type(error).__name__}: {reason}); continuing without it"
        )
    run.optimizer.zero_grad(set_to_none=True)


def _of_one_length(
    decode: Callable[[Any, Tensor, Tensor], Tensor], length: int
) -> Callable[[Any, Tensor, Tensor], Tensor]:
    """Wrap a decoder so that it pads clicks to one length, since torch compiles each number of clicks separately."""

    def padded(state: Any, clicks: Tensor, signs: Tensor) -> Tensor:
        missing = max(0, length - clicks.shape[1])
        longer = F.pad(clicks, (0, 0, 0, missing))
        return decode(state, longer, F.pad(signs, (0, missing), value=PADDING))

    return padded
