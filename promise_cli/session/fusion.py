"""Fuses the probabilities of overlapping windows on one grid, with Gaussian weights as in nnU-Net."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.grid import Shape
from promise_cli.geometry.patch import Patch

Volume32 = NDArray[np.float32]

SIGMA = 1 / 8
"""Standard deviation of the Gaussian weights, as a share of the window's edge."""


@cache
def gaussian(shape: Shape) -> Volume32:
    """Return the weights of a window's voxels. They are 1 in the middle, and small but never 0 at the border."""
    lines = [
        np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n * SIGMA)) ** 2).astype(np.float32)
        for n in shape
    ]
    weights: Volume32 = lines[0][:, None, None] * lines[1][None, :, None] * lines[2][None, None, :]
    return weights


class Canvas:
    """Probabilities of all windows so far, on the smallest block of the grid that contains these windows."""

    def __init__(self) -> None:
        self.windows: list[Patch] = []
        self.block: Patch | None = None
        self._total = np.zeros((0, 0, 0), dtype=np.float32)
        self._weight = np.zeros((0, 0, 0), dtype=np.float32)
        self._first = self._total

    @classmethod
    def holding(cls, windows: Sequence[Patch]) -> "Canvas":
        """Create a canvas that is large enough for these windows from the start, so that it need not grow."""
        canvas = cls()
        lower = np.min([window.origin for window in windows], axis=0)
        upper = np.max([np.add(window.origin, window.shape) for window in windows], axis=0)
        i, j, k = lower.tolist()
        p, q, r = (upper - lower).tolist()
        canvas.block = Patch((i, j, k), (p, q, r))
        canvas._total = np.zeros(canvas.block.shape, dtype=np.float32)
        canvas._weight = np.zeros(canvas.block.shape, dtype=np.float32)
        return canvas

    def add(self, window: Patch, probabilities: Volume32) -> None:
        """Add the foreground probabilities `(I, J, K)` of a window."""
        self._widen(window)
        there = self.place(window)
        if len(self.windows) == 0:  # a single window keeps the network's exact probabilities
            self._total[there], self._weight[there] = probabilities, 1.0
            self._first = probabilities
        else:
            if len(self.windows) == 1:
                first = self.place(self.windows[0])
                weights = gaussian(self.windows[0].shape)
                self._total[first], self._weight[first] = self._first * weights, weights
            weights = gaussian(window.shape)
            self._total[there] += probabilities * weights
            self._weight[there] += weights
        self.windows.append(window)

    def place(self, window: Patch) -> tuple[slice, slice, slice]:
        """Return the slices of the block that a window covers. The whole window must lie in the block."""
        assert self.block is not None
        starts = [a - b for a, b in zip(window.origin, self.block.origin, strict=True)]
        i, j, k = (slice(a, a + n) for a, n in zip(starts, window.shape, strict=True))
        return i, j, k

    def place_within(self, window: Patch) -> tuple[slice, slice, slice]:
        """Return the slices of the block that a window covers. Parts of the window outside the block are left out."""
        assert self.block is not None
        starts = [a - b for a, b in zip(window.origin, self.block.origin, strict=True)]
        i, j, k = (
            slice(max(0, a), max(0, min(a + n, edge)))
            for a, n, edge in zip(starts, window.shape, self.block.shape, strict=True)
        )
        return i, j, k

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Voxels of the block that at least one window covers."""
        return self._weight > 0

    def fused(self) -> Volume32:
        """Return the foreground probability of the block's voxels. It is 0 where there is no window."""
        return np.divide(
            self._total, self._weight, out=np.zeros_like(self._total), where=self._weight > 0
        )

    def _widen(self, window: Patch) -> None:
        """Grow the block until it holds the window."""
        if self.block is None:
            self.block = window
            self._total = np.zeros(window.shape, dtype=np.float32)
            self._weight = np.zeros(window.shape, dtype=np.float32)
            return
        old = self.block
        lower = np.minimum(old.origin, window.origin)
        upper = np.maximum(np.add(old.origin, old.shape), np.add(window.origin, window.shape))
        before = np.subtract(old.origin, lower)
        after = upper - np.add(old.origin, old.shape)
        margins = list(zip(before.tolist(), after.tolist(), strict=True))
        i, j, k = lower.tolist()
        p, q, r = (upper - lower).tolist()
        self.block = Patch((i, j, k), (p, q, r))
        if any(map(any, margins)):
            self._total = np.pad(self._total, margins)
            self._weight = np.pad(self._weight, margins)
