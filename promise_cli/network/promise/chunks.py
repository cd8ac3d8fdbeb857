"""Computes many rows in chunks if that saves memory and time."""

from collections.abc import Callable

import torch
from torch import Tensor

_TOKENS = 2048
"""Tokens of one chunk. The widest layer's output for so many tokens stays in the processor's cache. It is also small
enough for the allocator to reuse memory instead of requesting new pages from the system."""


def in_chunks(function: Callable[..., Tensor], rows: Tensor, *others: Tensor | None) -> Tensor:
    """Compute `function(rows, *others)`, in chunks of rows on the CPU if no gradient is recorded.

    Args:
        function: Function that treats rows independently and returns a tensor of the shape of `rows`.
        rows: `(N, L, C)`, N rows of L tokens.
        others: Further tensors of N rows, which are cut like `rows`. None is passed on unchanged.
    """
    whole = rows.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling()
    step = max(1, _TOKENS // rows.shape[1])
    if whole or rows.shape[0] <= step:
        return function(rows, *others)
    result = torch.empty_like(rows)
    for start in range(0, rows.shape[0], step):
        part = slice(start, start + step)
        result[part] = function(rows[part], *(None if o is None else o[part] for o in others))
    return result
