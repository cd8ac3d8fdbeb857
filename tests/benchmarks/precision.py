"""Measure what bf16 gains in a training step on the CPU, for ProMISe with each encoder and for the other networks.

    python -m tests.benchmarks.precision [EDGE] [NAME ...]

NAME is a network, or `promise:ENCODER` for ProMISe's default with that encoder, which is frozen except for its norms.
Without names, all networks other than ProMISe are measured.

Prints one line of JSON for each network and size: the seconds of a step on two patches in fp32 and in bf16, and their
ratio. Steps of the two alternate, and each time is the median of five steps.
"""

import dataclasses
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promise_cli.network.registry import Network

PAIRS = 5
EDGE = 48


def build(name: str, edge: int, *, small: bool) -> "Network":
    from promise_cli.network.architecture import Setting
    from promise_cli.network.promise import ProMISe, model_config
    from promise_cli.network.registry import PROMISE, build_network, plan_network

    network, _, encoder = name.partition(":")
    if network != PROMISE:
        setting = Setting(patch_size=edge, spacing=(1.0, 1.0, 1.0), small=small)
        return build_network(name, plan_network(name, setting))
    config = model_config("tiny" if encoder == "tiny" else "recommended")
    model = ProMISe(dataclasses.replace(config, encoder=encoder, patch_size=edge))
    if encoder != "tiny":
        model.freeze_encoder()
    return model


def measure(name: str, edge: int, *, small: bool) -> dict[str, Any]:
    import torch

    from promise_cli.network.device import Precision, autocast
    from promise_cli.network.recipe import LossConfig
    from promise_cli.train.losses import total_loss

    model = build(name, edge, small=small)
    size = model.config.patch_size
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad])
    patch = torch.randn(2, 1, size, size, size)
    target = (torch.rand_like(patch) < 0.1).float()
    given = (torch.full((2, 1, 3), size / 2), torch.ones(2, 1, dtype=torch.long))

    def step(precision: Precision) -> float:
        began = time.monotonic()
        optimizer.zero_grad()
        with autocast(torch.device("cpu"), precision):
            logits = model(patch, *given)
        loss, _ = total_loss(logits, target, LossConfig(boundary_weight=0.0))
        loss.backward()
        optimizer.step()
        return time.monotonic() - began

    step("fp32"), step("bf16")  # a warm-up: torch chooses its kernels at the first call
    taken = [(step("fp32"), step("bf16")) for _ in range(PAIRS)]
    fp32, bf16 = (statistics.median(one) for one in zip(*taken, strict=True))
    return {
        "network": name,
        "small": small,
        "patch": size,
        "fp32_seconds": round(fp32, 2),
        "bf16_seconds": round(bf16, 2),
        "ratio": round(fp32 / bf16, 2),
    }


def main(arguments: list[str]) -> None:
    from promise_cli.network.registry import RIVALS

    edge = int(arguments[0]) if arguments else EDGE
    for name in arguments[1:] or RIVALS:
        for small in (False,) if ":" in name else (False, True):
            print(json.dumps(measure(name, edge, small=small)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
