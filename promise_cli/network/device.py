"""Where a network runs, and in which precision it multiplies."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, get_args

import torch

from promise_cli.errors import CheckpointError
from promise_cli.network.promise.config import EncoderName

Precision = Literal["fp32", "bf16"]
"""`bf16` multiplies in bfloat16 (torch's autocast) and keeps weights, sums and losses in float32."""


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA, else MPS, else the CPU.

    Raises:
        CheckpointError: The device that was asked for is not there.
    """
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    kind, _, number = name.partition(":")
    if kind not in there or (number and not number.isdigit()):
        raise CheckpointError(f"--device {name}: unknown; use auto, cpu, cuda or mps")
    if not there[kind]:
        raise CheckpointError(f"--device {name}: not available on this machine; use --device cpu")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise CheckpointError(
            f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices, counted from 0"
        )
    return torch.device(name)


def choose_precision(name: str, device: torch.device, encoder: EncoderName | None) -> Precision:
    """`auto` takes bf16 where the device multiplies it faster than fp32, which was measured.

    That is CUDA from compute capability 8 on, and processors with AMX but for ProMISe's tiny network, whose products
    are too small to gain. Networks without an `encoder` gain 1.6 to 2.6 there (`docs/benchmarks.md`).

    Raises:
        CheckpointError: Neither auto, fp32 nor bf16.
    """
    if name in get_args(Precision):
        return "bf16" if name == "bf16" else "fp32"
    if name != "auto":
        raise CheckpointError(f"--precision {name}: unknown; use auto, fp32 or bf16")
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        fast = device.type == "cpu" and encoder != "tiny" and _has_amx()
    return "bf16" if fast else "fp32"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The block in which the network is called."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def uncached() -> Iterator[None]:
    """Within `autocast`, without its memory of weights.

    To be entered together with `torch.no_grad` where the block goes on with gradients: before torch 2.10, weights that
    were remembered without them were taken for later calls, too (pytorch issue 158232).
    """
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)


def _has_amx() -> bool:
    """Whether this processor has bf16 matrix units; a torch that cannot tell counts as no."""
    if not hasattr(torch.cpu, "get_capabilities"):
        return False
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))
