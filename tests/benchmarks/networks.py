"""Measure what each network costs: parameters, operations per patch, and memory and time of a training step on the CPU.

    python -m tests.benchmarks.networks [EDGE] [NAME ...]

Prints one line of JSON for each network. A step is forward, loss and backward on one patch, and a step of AdamW. Each
network runs in a process of its own. Its memory is the peak resident size of that process minus the peak before the
network was built.
"""

import json
import multiprocessing
import resource
import sys
import time
from typing import Any

EDGE = 96


def measure(name: str, edge: int) -> dict[str, Any]:
    import torch

    from promise_cli.network.architecture import Setting
    from promise_cli.network.recipe import LossConfig
    from promise_cli.network.registry import build_network, count_operations, plan_network
    from promise_cli.train.losses import total_loss

    config = plan_network(name, Setting(patch_size=edge, spacing=(1.0, 1.0, 1.0), small=False))
    before = _peak_gib()
    model = build_network(name, config)
    size = config.patch_size
    optimizer = torch.optim.AdamW(model.parameters())
    patch = torch.randn(1, 1, size, size, size)
    target = (torch.rand_like(patch) < 0.1).float()
    nowhere = (torch.zeros(1, 0, 3), torch.zeros(1, 0, dtype=torch.long))
    began, used = time.monotonic(), time.process_time()
    loss, _ = total_loss(model(patch, *nowhere), target, LossConfig(boundary_weight=0.0))
    loss.backward()
    optimizer.step()
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - used
    peak = _peak_gib() - before
    return {
        "network": name,
        "patch": size,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "operations": count_operations(name, config),
        "step_peak_gib": round(peak, 2),
        "step_seconds": round(seconds, 1),
        "step_cpu_seconds": round(cpu_seconds, 1),
    }


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(arguments: list[str]) -> None:
    from promise_cli.network.registry import RIVALS

    edge = int(arguments[0]) if arguments else EDGE
    context = multiprocessing.get_context("spawn")
    for name in arguments[1:] or RIVALS:
        with context.Pool(1) as pool:
            print(json.dumps(pool.apply(measure, (name, edge))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
