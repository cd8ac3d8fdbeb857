"""Check the content of a checkpoint that comes from elsewhere, before a network is built or trained from it."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from promise_cli.console import counted
from promise_cli.disk.workspace import ALL
from promise_cli.errors import shown

_LEAST = {"fold": 0, "seed": 0, "epoch": 0, "step": 0, "samples_per_step": 1}
_NAMED_TENSORS = ("weights", "random_states")


def problem_of(content: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the values of a checkpoint; None if nothing is. Their types are checked before."""
    for name, least in _LEAST.items():
        found = content.get(name, least)
        if name == "fold" and found == ALL:
            continue
        if isinstance(found, str) or not least <= found < 1 << 63:
            return f"{name} is {shown(found)}, expected a whole number from {least} on"
    for name in ("validation_dice", "best_dice"):
        found = content.get(name)
        if found is not None and not 0 <= found <= 1.001:
            return f"{name} is {shown(found)}, expected a number from 0 to 1"
    for name in _NAMED_TENSORS:
        if not all(
            isinstance(key, str) and isinstance(value, Tensor)
            for key, value in content.get(name, {}).items()
        ):
            return f"{name} holds other things than named tensors"
    sums = content.get("sums", {})
    if not all(
        isinstance(key, str) and type(value) in (int, float) and math.isfinite(value)
        for key, value in sums.items()
    ):
        return "sums holds other things than named numbers"
    return None


def is_plain(value: Any) -> bool:
    """Whether a value consists of the types that JSON can hold."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(is_plain, value))
    return value is None or type(value) in (str, int, float, bool)


def check_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Check that weights have the names, shapes and kinds of numbers of a network.

    torch would convert whole and complex numbers without an error.

    Raises:
        ValueError: An entry is missing, unknown, or of another shape or kind.
    """
    expected = model.state_dict()
    for what, names in (
        ("missing", expected.keys() - weights.keys()),
        ("unknown", weights.keys() - expected.keys()),
    ):
        if names:
            raise ValueError(f"{counted(len(names), 'entry', 'are')} {what}, such as {min(names)}")
    for name, tensor in weights.items():
        wanted = expected[name]
        if tensor.shape != wanted.shape:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}, but the network {tuple(wanted.shape)}"
            )
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise ValueError(f"{name} is sparse or quantised, not an array of plain numbers")
        if tensor.is_floating_point() != wanted.is_floating_point() or tensor.is_complex():
            raise ValueError(f"{name} holds {tensor.dtype} numbers instead of {wanted.dtype}")
