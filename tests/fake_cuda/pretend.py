"""A CUDA GPU that does not exist: tensors on it have shapes, types and a device, and no values.

Import this before torch, in a process of its own, with the library that `guard.cpp` was compiled to in the environment
variable FAKE_CUDA_GUARD.
"""

import collections
import contextlib
import ctypes
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

assert "torch" not in sys.modules, "the guard must be loaded before torch"
_spec = importlib.util.find_spec("torch")
assert _spec is not None
assert _spec.origin is not None
_LIBRARIES = Path(_spec.origin).parent / "lib"
for _library in (
    _LIBRARIES / "libc10.so",
    _LIBRARIES / "libtorch_cpu.so",
    os.environ["FAKE_CUDA_GUARD"],
):
    ctypes.CDLL(str(_library), mode=ctypes.RTLD_GLOBAL)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch._subclasses.fake_tensor import (  # noqa: E402
    FakeTensor,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from promise_cli.network.promise.frozen import FrozenResult  # noqa: E402

CUDA = torch.device("cuda:0")
_ANSWERS = {
    "torch.cuda.is_available": True,
    "torch.cuda.is_bf16_supported": True,
    "torch.cuda.amp.common.amp_definitely_not_available": False,
    "torch.cuda.get_device_capability": (9, 0),
    "torch.cuda.device_count": 1,
    "torch.cuda.current_device": 0,
    "torch.cuda.max_memory_allocated": 0,
    "torch.cuda.get_device_name": "pretended",
    "torch.cuda._lazy_init": None,
}

ASKED = ("aten::_local_scalar_dense", "aten::item", "aten::is_nonzero")
"""Operations by which the host asks for a tensor's value."""


class Watch(TorchDispatchMode):
    """Counts, by the line of the package that asks, what makes the host wait and what is made on the wrong device."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: collections.Counter[str] = collections.Counter()
        """The device's values are asked for: `.item()`, `.cpu()`, `if tensor:`."""
        self.uploads: collections.Counter[str] = collections.Counter()
        self.on_cpu: collections.Counter[str] = collections.Counter()
        """Tensors that are made on the CPU."""
        self.kernels = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note one operation; a value that the host asks for is made up."""
        kwargs = kwargs or {}
        if func.name() in ASKED:
            return self._made_up(args[0])
        out = func(*args, **kwargs)
        given = {arg.device.type for arg in tensors_in(args)}
        made = {tensor.device.type for tensor in tensors_in(out)}
        if made == {"cpu"} and "cuda" in given:
            self.waits[_line()] += 1
        elif made == {"cuda"} and given == {"cpu"}:
            self.uploads[_line()] += 1
        elif made == {"cpu"} and not given:
            self.on_cpu[_line()] += 1
        self.kernels += "cuda" in made
        return out

    def _made_up(self, tensor: Tensor) -> float | int | bool:
        on_device = tensor.device.type == "cuda"
        if on_device:
            self.waits[_line()] += 1
        if (
            tensor.dtype == torch.bool
        ):  # on the device: is all finite? On the CPU: is a click outside?
            return on_device
        return float(on_device) if tensor.dtype.is_floating_point else int(on_device)


def tensors_in(values: Any) -> list[Tensor]:
    """Return the tensors among the arguments or results of an operation."""
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in tensors_in(value)]
    return []


def _line() -> str:
    """The innermost line of the package that runs, such as `train/step.py:58`."""
    for frame in reversed(traceback.extract_stack()):
        _, inside, name = frame.filename.rpartition("promise_cli/")
        if inside:
            return f"{name}:{frame.lineno}"
    return "outside of the package"


@contextlib.contextmanager
def pretended() -> Iterator[FakeTensorMode]:
    """Inside, torch believes in one GPU, and no tensor has values."""
    with contextlib.ExitStack() as stack:
        for name, answer in _ANSWERS.items():
            stack.enter_context(mock.patch(name, lambda *_, answer=answer, **__: answer))
        stack.enter_context(mock.patch.object(Tensor, "numpy", _without_values))
        stack.enter_context(mock.patch.object(FrozenResult, "_is_current", _was_computed))
        stack.enter_context(
            mock.patch("torch.nn.functional.scaled_dot_product_attention", _attention)
        )
        stack.enter_context(mock.patch("monai.losses.dice.torch", _TorchOfLoss()))
        stack.enter_context(mock.patch("torch.from_numpy", _from_numpy))
        mode = FakeTensorMode()
        stack.enter_context(mode)
        yield mode


def to_cuda(module: nn.Module, mode: FakeTensorMode) -> nn.Module:
    """Put the parameters and buffers of a module on the pretended GPU."""

    def moved(tensor: Tensor) -> Tensor:
        return FakeTensor(mode, tensor.detach().to("meta"), CUDA)

    with unset_fake_temporarily():
        for part in module.modules():
            for name, parameter in part._parameters.items():
                if parameter is not None:
                    part._parameters[name] = nn.Parameter(moved(parameter), parameter.requires_grad)
            for name, buffer in part._buffers.items():
                if buffer is not None:
                    part._buffers[name] = moved(buffer)
    return module


def _without_values(tensor: Tensor, *_: Any, **__: Any) -> Any:
    if tensor.device.type != "cpu":  # as torch says
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
    kinds = {torch.bool: np.bool_, torch.float32: np.float32, torch.int64: np.int64}
    return np.zeros(tuple(tensor.shape), kinds.get(tensor.dtype, np.float64))


def _from_numpy(array: Any) -> Tensor:
    kinds = {"f": torch.float32, "i": torch.int64, "b": torch.bool}
    return torch.empty(array.shape, dtype=kinds[array.dtype.kind])


def _was_computed(cache: FrozenResult, _: Tensor) -> bool:
    return cache._source is not None


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
    **_: Any,
) -> Tensor:
    """The kernels that torch chooses on a GPU; without one it cannot choose."""
    if torch.is_autocast_enabled("cuda"):
        dtype = torch.get_autocast_dtype("cuda")
        query, key, value = (tensor.to(dtype) for tensor in (query, key, value))
    leading = query.shape[:-3]
    query, key, value = (tensor.reshape(-1, *tensor.shape[-3:]) for tensor in (query, key, value))
    aten = torch.ops.aten
    if attn_mask is None and query.dtype in (torch.bfloat16, torch.float16):
        found = aten._scaled_dot_product_flash_attention(query, key, value, scale=scale)[0]
    else:
        bias = None
        if attn_mask is not None:
            shape = (*query.shape[:3], key.shape[2])
            bias = torch.zeros(shape, dtype=query.dtype, device=query.device)
        needs_sums = torch.is_grad_enabled()
        found = aten._scaled_dot_product_efficient_attention(
            query, key, value, bias, needs_sums, scale=scale
        )[0]
    return found.reshape(*leading, *found.shape[-3:])


class _TorchOfLoss:
    """torch as MONAI's Dice loss sees it: it lists axes by a tensor on the CPU, which has no values here."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def arange(self, start: int, stop: int) -> Any:
        return SimpleNamespace(tolist=lambda: list(range(start, stop)))
