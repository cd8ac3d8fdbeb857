"""What the machine is, and what its memory and its matrix units reach: the ceilings for everything else."""

import platform
import time
from functools import partial

import torch

from experiments.gpu.rig import DEVICE, SIZES, report, reported, timed


def main() -> None:
    """Report versions, the card, copies and products."""
    found: dict[str, object] = {"python": platform.python_version(), "torch": torch.__version__}
    if DEVICE.type == "cuda":
        card = torch.cuda.get_device_properties(DEVICE)
        found |= {
            "card": card.name,
            "capability": f"{card.major}.{card.minor}",
            "memory_gib": round(card.total_memory / 2**30, 1),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        }
    report(**found)
    for name in ("monai", "nibabel", "promise_cli.train.step"):
        began = time.monotonic()
        with reported(module=name):
            __import__(name)
            report(module=name, import_seconds=round(time.monotonic() - began, 2))
    edge = SIZES.product
    source = torch.randn(edge, edge, 16, device=DEVICE)
    taken = timed(source.clone)["median_ms"]
    report(copy_gb_per_s=round(2 * source.nbytes / taken / 1e6, 1))
    del source
    for precision, dtype, tf32 in (
        ("bf16", torch.bfloat16, False),
        ("fp16", torch.float16, False),
        ("tf32", torch.float32, True),
        ("fp32", torch.float32, False),
    ):
        with reported(product=precision):
            torch.backends.cuda.matmul.allow_tf32 = tf32
            one, other = (torch.randn(edge, edge, device=DEVICE, dtype=dtype) for _ in range(2))
            taken = timed(partial(torch.matmul, one, other))["median_ms"]
            report(product=precision, tflop_per_s=round(2 * edge**3 / taken / 1e9, 2))


if __name__ == "__main__":
    main()
