"""Compare the speed and memory of our network with its plain form, for a forward pass or a training step.

    python -m tests.benchmarks.network [--preset paper] [--device cpu|cuda] [--train] [--repeats N]

The plain form (`tests/test_model/plain_network.py`) materialises the upsampled volume, every attention logit and the
decoder's joined features. Both run in one process by turns, so that a busy machine slows both. Prints JSON with wall
and processor times, the peak memory beyond what was held before, and their ratios.
"""

import argparse
import ctypes
import json
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from promise_cli.network.promise import PRESETS, ProMISe, model_config
from promise_cli.network.recipe import LossConfig
from promise_cli.train.losses import total_loss
from tests.test_model.plain_network import plain_logits

Call = Callable[[], Tensor]


def main() -> None:
    """Measure, and print the figures as JSON."""
    options = _options()
    torch.manual_seed(0)
    device = torch.device(options.device)
    model = ProMISe(model_config(options.preset)).to(device)
    model.freeze_encoder()
    edge = model.config.patch_size
    patch = torch.randn(1, 1, edge, edge, edge, device=device)
    clicks = torch.full((1, 1, 3), edge / 2, device=device)
    given = (patch, clicks, torch.ones(1, 1, dtype=torch.long, device=device))
    calls: dict[str, Call] = {
        "plain float32": lambda: plain_logits(model, *given),
        "ours float32": lambda: model(*given),
        "ours bfloat16": _in_bfloat16(lambda: model(*given), device),
    }
    if options.train:
        calls = {name: _training_step(model, call) for name, call in calls.items()}
        recomputed = _recomputed(model, calls["ours bfloat16"])
        calls["ours bfloat16 checkpointed"] = recomputed
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in calls}
    results = {}
    with nullcontext() if options.train else torch.inference_mode():
        for _ in range(options.repeats):
            for name, call in calls.items():
                results[name] = _measure(call, device, rows[name])
                sys.stderr.write(f"{name} {rows[name][-1]}\n")
    sys.stdout.write(json.dumps(_report(options, rows, results), indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="paper")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--train", action="store_true", help="a training step, not a forward pass")
    parser.add_argument("--repeats", type=int, default=1)
    return parser.parse_args()


def _in_bfloat16(call: Call, device: torch.device) -> Call:
    def run() -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return call()

    return run


def _training_step(model: ProMISe, call: Call) -> Call:
    def run() -> Tensor:
        model.zero_grad(set_to_none=True)
        logits = call()
        target = torch.zeros_like(logits[:, :1])
        target[..., :20, :20, :20] = 1
        loss, _ = total_loss(logits, target, LossConfig())
        loss.backward()  # type: ignore[no-untyped-call]
        return logits.detach()

    return run


def _recomputed(model: ProMISe, call: Call) -> Call:
    def run() -> Tensor:
        model.checkpoint_activations()
        try:
            return call()
        finally:
            model.checkpoint_activations(False)

    return run


def _measure(call: Call, device: torch.device, rows: list[dict[str, float]]) -> Tensor:
    """Run `call` once, append its seconds and peak GiB to `rows`, and return its result in float32.

    The first run of each call is a warm-up, which the report leaves out where there are several runs.
    """
    before = _start_memory(device)
    wall, processor = time.perf_counter(), time.process_time()
    result = call().float()
    if device.type == "cuda":
        torch.cuda.synchronize()
    rows.append(
        {
            "wall_s": time.perf_counter() - wall,
            "processor_s": time.process_time() - processor,
            "peak_gib": (_peak_memory(device) - before) / 2**30,
        }
    )
    return result


def _start_memory(device: torch.device) -> int:
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # memory kept after free would hide some of the peak
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the current resident size
    return _peak_memory(device)


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1])


def _best(key: str, values: list[float]) -> float:
    return max(values) if key == "peak_gib" else min(values)


def _report(
    options: argparse.Namespace, rows: dict[str, list[dict[str, float]]], results: dict[str, Tensor]
) -> dict[str, object]:
    warm = 1 if options.repeats > 1 else 0
    best = {
        name: {key: _best(key, [row[key] for row in runs[warm:]]) for key in runs[0]}
        for name, runs in rows.items()
    }
    plain, exact = best["plain float32"], results["plain float32"]
    ours = {name: measured for name, measured in best.items() if name != "plain float32"}
    return {
        "preset": options.preset,
        "what": "training step" if options.train else "forward",
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "measured": best,
        "times_faster": {
            name: {key: plain[key] / measured[key] for key in ("wall_s", "processor_s")}
            for name, measured in ours.items()
        },
        "share_of_memory": {
            name: measured["peak_gib"] / plain["peak_gib"] for name, measured in ours.items()
        },
        "relative_difference": {
            name: ((results[name] - exact).norm() / exact.norm()).item() for name in ours
        },
    }


if __name__ == "__main__":
    main()
