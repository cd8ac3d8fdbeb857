"""The device on which a network runs, and the precision in which it multiplies."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, get_args

import torch

from promise_cli.errors import CheckpointError
from promise_cli.network.promise.config import EncoderName

Precision = Literal["fp32", "bf16"]
"""Number format of matrix products and convolutions. `bf16` multiplies in bfloat16 (torch's autocast) and keeps
weights, sums and losses in float32."""


def choose_device(name: str) -> torch.device:
    """Return the torch device that `--device` names. `auto` is CUDA if available, otherwise MPS, otherwise the CPU.

    Raises:
        CheckpointError: The name is unknown, or this machine does not have the device.
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
            f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices; give a smaller number,"
            " counted from 0"
        )
    return torch.device(name)


def choose_precision(name: str, device: torch.device, encoder: EncoderName | None) -> Precision:
    """Return the precision that `--precision` names. `auto` is bf16 if that is measurably faster than fp32.

    bf16 is faster on CUDA GPUs of compute capability 8 and newer, and on processors with AMX. ProMISe's tiny network is
    the exception on processors: its matrix products are too small to gain. Rivals run 1.6 to 2.6 times as fast in bf16
    on processors with AMX (`docs/benchmarks.md`).

    Args:
        name: auto, fp32 or bf16.
        device: Device on which the network runs.
        encoder: Pretrained image encoder of ProMISe. None for a rival.

    Raises:
        CheckpointError: `name` is neither auto, fp32 nor bf16.
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
    """Return the context manager in which the network must be called so that it multiplies in `precision`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def uncached() -> Iterator[None]:
    """Switch off autocast's cache of converted weights inside this block.

    Use it together with `torch.no_grad` if the surrounding code computes gradients later. Before torch 2.10, weights
    that were cached without gradients were also used for the later calls (pytorch issue 158232).
    """
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)


def _has_amx() -> bool:
    """Return whether this processor has bf16 matrix units (AMX). False if this version of torch cannot say."""
    if not hasattr(torch.cpu, "get_capabilities"):
        return False
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))
