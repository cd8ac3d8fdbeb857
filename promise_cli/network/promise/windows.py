"""Cuts a grid of tokens into attention windows and joins them again (Swin's scheme in 3D)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int, int]


class Windows:
    """Division of a grid of tokens into cubic windows. If needed, the grid is padded at its far faces.

    Attributes:
        regions: `(num_windows, window^3, R)` booleans, the region of each token as a one-hot code. Only tokens of the
            same region may attend to each other. A shifted window at a far face contains tokens from both ends of an
            axis. These are not neighbours, so they belong to different regions. Padding tokens are a region of their
            own. None if every window is a single region.
    """

    def __init__(
        self, size: Size, window: int, *, shifted: bool, device: torch.device | str = "cpu"
    ) -> None:
        """Plan the windows.

        Args:
            size: Tokens along H, W and D.
            window: Edge of a window in tokens.
            shifted: Whether to shift the windows by half their edge. There is no shift along an axis that has only one
                window.
            device: Device of the tokens.
        """
        self.size = size
        self.window = window
        self.filled = _size(-(-n // window) * window for n in size)
        self.shift = _size(window // 2 if shifted and n > window else 0 for n in self.filled)
        places = torch.arange(self.filled[0] * self.filled[1] * self.filled[2], device=device)
        self._order = self._cut(places.reshape(self.filled)).flatten()
        self._inverse = torch.empty_like(places)
        self._inverse[self._order] = places
        self.regions = self._find_regions(places.device)

    def partition(self, tokens: Tensor) -> Tensor:
        """Convert `(B, H, W, D, C)` to `(B * num_windows, window^3, C)`. Padding tokens are zero."""
        if self.filled != self.size:
            height, width, depth = (f - n for f, n in zip(self.filled, self.size, strict=True))
            tokens = F.pad(tokens, (0, 0, 0, depth, 0, width, 0, height))
        rows = _reorder(tokens.flatten(1, 3), self._order, self._inverse)
        return rows.reshape(-1, self.window**3, rows.shape[-1])

    def merge(self, windows: Tensor) -> Tensor:
        """Undo `partition` by converting `(B * num_windows, window^3, C)` to `(B, H, W, D, C)`."""
        rows = windows.reshape(-1, len(self._order), windows.shape[-1])
        rows = _reorder(rows, self._inverse, self._order)
        tokens = rows.reshape(rows.shape[0], *self.filled, rows.shape[-1])
        height, width, depth = self.size
        return tokens[:, :height, :width, :depth]

    def _cut(self, grid: Tensor) -> Tensor:
        """Group the values of the padded grid `(H, W, D)` by window, as `(num_windows, window^3)`."""
        w = self.window
        height, width, depth = (n // w for n in self.filled)
        rolled = grid.roll([-s for s in self.shift], dims=(0, 1, 2))
        split = rolled.reshape(height, w, width, w, depth, w)
        return split.permute(0, 2, 4, 1, 3, 5).reshape(-1, w**3)

    def _find_regions(self, device: torch.device) -> Tensor | None:
        """Return `regions`, as the docstring of the class describes them."""
        if not any(self.shift) and self.filled == self.size:
            return None
        region = torch.zeros(self.filled, dtype=torch.long, device=device)
        real = torch.ones(self.filled, dtype=torch.bool, device=device)
        for axis, (length, shift) in enumerate(zip(self.filled, self.shift, strict=True)):
            index = torch.arange(length, device=device)
            index = index.reshape([length if a == axis else 1 for a in range(3)])
            region = 2 * region + (index < shift)
            real = real & (index < self.size[axis])
        by_window = self._cut(torch.where(real, region, 8))
        return F.one_hot(by_window, 8 if self.filled == self.size else 9).bool()


class _Reorder(torch.autograd.Function):
    """Function that puts rows `(B, N, C)` into another order, with a gradient that needs no scatter."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(order, inverse)
        return rows.index_select(1, order)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        order, inverse = ctx.saved_tensors
        return _reorder(grads[0], inverse, order), None, None


def _reorder(rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    return _Reorder.apply(rows, order, inverse)  # type: ignore[no-untyped-call]


def _size(lengths: Any) -> Size:
    height, width, depth = lengths
    return height, width, depth
