"""Work on many rows, a few at a time, where that saves memory and time."""

from collections.abc import Callable

import torch
from torch import Tensor

_TOKENS = 2048
"""At once: what the widest layer makes of them stays in the processor's cache, and is small enough
for the allocator to hand out again instead of asking the system for fresh pages."""


def in_chunks(function: Callable[..., Tensor], rows: Tensor, *others: Tensor | None) -> Tensor:
    """`function(rows, *others)`, in chunks of rows on the CPU where no gradient is recorded.

    Args:
        function: Treats rows independently and keeps their number.
        rows: `(N, L, C)`, N rows of L tokens.
        others: Further tensors of N rows, or None; they are cut like `rows`.
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
