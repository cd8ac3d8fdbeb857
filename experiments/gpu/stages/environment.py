"""What the machine is, and what its memory and its matrix units reach: the ceilings for everything else."""

import os
import platform
import shutil
import time
from functools import partial
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Report how long imports take, versions, the card, copies and products."""
    began = time.monotonic()
    import torch  # noqa: PLC0415 -- its import is timed

    seconds = {"torch": round(time.monotonic() - began, 1)}
    for name in ("monai", "nibabel", "experiments.gpu.rig"):
        began = time.monotonic()
        import_module(name)
        seconds[name] = round(time.monotonic() - began, 1)
    from experiments.gpu.rig import DEVICE, SIZES, report, reported, timed  # noqa: PLC0415

    report(python=platform.python_version(), torch=torch.__version__, import_seconds=seconds)
    shared = Path("/dev/shm")
    report(
        cores=os.cpu_count(),
        shared_memory_gib=round(shutil.disk_usage(shared).free / 2**30, 2)
        if shared.exists()
        else 0,
    )
    if DEVICE.type == "cuda":
        card = torch.cuda.get_device_properties(DEVICE)
        report(
            card=card.name,
            capability=f"{card.major}.{card.minor}",
            memory_gib=round(card.total_memory / 2**30, 1),
            cuda=torch.version.cuda,
            cudnn=torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        )
    edge = SIZES.product
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
    with reported(copy="device to device"):
        source = torch.randn(edge, edge, 16, device=DEVICE)
        taken = timed(source.clone)["median_ms"]
        report(copy_gb_per_s=round(2 * source.nbytes / taken / 1e6, 1))


if __name__ == "__main__":
    main()
