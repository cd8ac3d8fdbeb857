"""Probabilities of overlapping windows on one grid, fused with Gaussian weights as nnU-Net fuses them."""

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
    """Weights of a window's voxels: 1 in the middle, small but never 0 at the border."""
    lines = [
        np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n * SIGMA)) ** 2).astype(np.float32)
        for n in shape
    ]
    weights: Volume32 = lines[0][:, None, None] * lines[1][None, :, None] * lines[2][None, None, :]
    return weights


class Canvas:
    """What all windows so far found, on the smallest block of the grid that holds them."""

    def __init__(self) -> None:
        self.windows: list[Patch] = []
        self.block: Patch | None = None
        self._total = np.zeros((0, 0, 0), dtype=np.float32)
        self._weight = np.zeros((0, 0, 0), dtype=np.float32)
        self._first = self._total

    @classmethod
    def holding(cls, windows: Sequence[Patch]) -> "Canvas":
        """A canvas large enough for these windows from the start, so that it need not grow."""
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
        """Take the foreground probabilities `(I, J, K)` of a window."""
        self._widen(window)
        there = self.place(window)
        if len(self.windows) == 0:  # a single window stays as the network gave it
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
        """Where a window lies in the block."""
        assert self.block is not None
        starts = [a - b for a, b in zip(window.origin, self.block.origin, strict=True)]
        i, j, k = (slice(a, a + n) for a, n in zip(starts, window.shape, strict=True))
        return i, j, k

    def place_within(self, window: Patch) -> tuple[slice, slice, slice]:
        """Where the part of a window that the block holds lies in it."""
        assert self.block is not None
        starts = [a - b for a, b in zip(window.origin, self.block.origin, strict=True)]
        i, j, k = (
            slice(max(0, a), max(0, min(a + n, edge)))
            for a, n, edge in zip(starts, window.shape, self.block.shape, strict=True)
        )
        return i, j, k

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Which voxels of the block some window saw."""
        return self._weight > 0

    def fused(self) -> Volume32:
        """Foreground probability of the block's voxels; 0 where no window looked."""
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
