"""The device on which a network runs, and the precision in which it multiplies."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, get_args

import torch
from torch import nn

from promise_cli.console import warn
from promise_cli.errors import CheckpointError
from promise_cli.network.promise.config import EncoderName

Precision = Literal["fp32", "bf16", "fp16"]
"""Number format of matrix products and convolutions. `bf16` and `fp16` multiply in 16 bits (torch's autocast) and keep
weights, sums and losses in float32. `fp16` is for graphics cards without bf16; training then scales the loss."""
_FAULTY_CUDNN = (90800, 91500)
"""Versions of cuDNN, from 9.8 to below 9.15, that compute some 3D convolutions in bf16 and TF32 wrongly (pytorch issues
163539 and 167024)."""


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
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
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
    if (
        name == "cuda"
    ):  # with its number, since torch gives tensors the device "cuda:0", which is not equal to "cuda"
        return torch.device(kind, torch.cuda.current_device())
    return torch.device(name)


def choose_precision(name: str, device: torch.device, encoder: EncoderName | None) -> Precision:
    """Return the precision that `--precision` names. `auto` is a 16-bit format if that is measurably faster than fp32.

    On CUDA GPUs that is bf16 from compute capability 8 (A100, RTX 30) and fp16 from 7 (V100, T4, RTX 20). On
    processors with AMX it is bf16. ProMISe's tiny network is the exception on processors: its matrix products are too
    small to gain. Rivals run 1.6 to 2.6 times as fast in bf16 on processors with AMX (`docs/benchmarks.md`).

    Args:
        name: auto, fp32, bf16 or fp16.
        device: Device on which the network runs.
        encoder: Pretrained image encoder of ProMISe. None for a rival.

    Raises:
        CheckpointError: The name is unknown, or fp16 is asked for on another device than a CUDA GPU.
    """
    if name == "fp16" and device.type != "cuda":
        raise CheckpointError(
            f"--precision fp16: only for CUDA GPUs, the device is {device.type}; use fp32 or bf16"
        )
    for precision in get_args(Precision):
        if name == precision:
            return precision
    if name != "auto":
        raise CheckpointError(f"--precision {name}: unknown; use auto, fp32, bf16 or fp16")
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        return "bf16" if capability >= (8, 0) else "fp16" if capability >= (7, 0) else "fp32"
    return "bf16" if device.type == "cpu" and encoder != "tiny" and _has_amx() else "fp32"


def set_up_device(device: torch.device, precision: Precision) -> None:
    """Set how a CUDA GPU multiplies, for this process. Other devices need nothing.

    In fp32 every product is exact to float32: neither matrix products nor convolutions use TF32, which torch by default
    allows for convolutions alone. In bf16 and fp16 both use TF32 for what stays in float32, since TF32 has more digits
    than the 16-bit formats. Patches and windows have one size, so cuDNN measures once which kernel is fastest.
    """
    if device.type != "cuda":
        return
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "fp32"
    version: int = torch.backends.cudnn.version() or 0  # type: ignore[no-untyped-call]
    if _FAULTY_CUDNN[0] <= version < _FAULTY_CUDNN[1]:
        warn(
            f"cuDNN {version // 10000}.{version // 100 % 100}: computes some 3D convolutions in bf16 and TF32 wrongly;"
            " install torch 2.10 or newer with its own cuDNN (9.15 or newer), or use --precision fp32"
        )


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch raised the error because the memory of a GPU did not suffice."""
    return "out of memory" in str(error).lower()


def move_to_device(model: nn.Module, device: torch.device) -> None:
    """Move a network to a device.

    Raises:
        CheckpointError: The device has not enough free memory for it.
    """
    try:
        model.to(device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        gib = sum(tensor.nbytes for tensor in model.state_dict().values()) / 2**30
        raise CheckpointError(
            f"--device {device}: not enough free memory for the network ({gib:.1f} GiB); end what else runs there, or"
            " choose another device"
        ) from None


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return the context manager in which the network must be called so that it multiplies in `precision`."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.float16 if precision == "fp16" else torch.bfloat16)


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
