"""Cutting a token grid into attention windows and putting it together again (Swin's scheme in 3D)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class WindowGrid:
    """How a grid of tokens falls into cubic windows, padded at the far faces where it does not fill them."""

    size: tuple[int, int, int]
    """Tokens along H, W, D."""
    window: int
    """Edge of a window in tokens."""
    shifted: bool = False
    """Move the windows by half their edge, around the far faces; an axis of one window stays."""

    @property
    def padded(self) -> tuple[int, int, int]:
        """Tokens along each axis, filled up to whole windows."""
        height, width, depth = (-(-n // self.window) * self.window for n in self.size)
        return height, width, depth

    @property
    def shift(self) -> tuple[int, int, int]:
        """Tokens by which each axis is rolled back."""
        half = self.window // 2 if self.shifted else 0
        height, width, depth = (half if n > self.window else 0 for n in self.padded)
        return height, width, depth

    @property
    def counts(self) -> tuple[int, int, int]:
        """Windows along each axis."""
        height, width, depth = (n // self.window for n in self.padded)
        return height, width, depth

    def partition(self, tokens: Tensor) -> Tensor:
        """`(B, H, W, D, C)` to `(B, num_windows, window^3, C)`; padding tokens are zero."""
        missing = [p - n for p, n in zip(self.padded, self.size, strict=True)]
        if any(missing):
            tokens = F.pad(tokens, (0, 0, 0, missing[2], 0, missing[1], 0, missing[0]))
        if any(self.shift):
            tokens = tokens.roll([-s for s in self.shift], dims=(1, 2, 3))
        height, width, depth = self.counts
        w = self.window
        split = tokens.unflatten(3, (depth, w)).unflatten(2, (width, w)).unflatten(1, (height, w))
        return split.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4, 6).flatten(1, 3)

    def merge(self, windows: Tensor) -> Tensor:
        """Undo `partition`: `(B, num_windows, window^3, C)` to `(B, H, W, D, C)`."""
        w = self.window
        split = windows.unflatten(2, (w, w, w)).unflatten(1, self.counts)
        tokens = split.permute(0, 1, 4, 2, 5, 3, 6, 7).flatten(5, 6).flatten(3, 4).flatten(1, 2)
        if any(self.shift):
            tokens = tokens.roll(self.shift, dims=(1, 2, 3))
        if self.padded != self.size:
            height, width, depth = self.size
            tokens = tokens[:, :height, :width, :depth]
        return tokens

    def regions(self, device: torch.device) -> Tensor | None:
        """Which tokens of a window may see each other: those of one region.

        A shifted window at a far face holds tokens from both ends of an axis, which are no neighbours;
        padding tokens are a region of their own.

        Returns:
            `(num_windows, window^3)` integers from 0 to 8; None where every window is one region.
        """
        if not any(self.shift) and self.padded == self.size:
            return None
        region = torch.zeros(1, 1, 1, dtype=torch.long, device=device)
        real = torch.ones(1, 1, 1, dtype=torch.bool, device=device)
        for axis in range(3):
            length, shift = self.padded[axis], self.shift[axis]
            index = torch.arange(length, device=device)  # before rolling
            shape = [length if a == axis else 1 for a in range(3)]
            wrapped = (index < shift).long().reshape(shape)
            region = 2 * region + wrapped
            real = real & (index < self.size[axis]).reshape(shape)
        region = torch.where(real, region, 8)
        whole = WindowGrid(self.padded, self.window, self.shifted)
        return whole.partition(region[None, ..., None])[0, ..., 0]
