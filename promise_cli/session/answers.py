"""A scan on the plan's grid, and the networks' probabilities in its windows.

The part of the networks' work that does not depend on clicks is kept for each window, so that a further click in the
same window takes little time.
"""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.plan import Plan
from promise_cli.dataset.prepare import preprocess_image
from promise_cli.geometry.patch import Patch
from promise_cli.predictions.record import Seconds
from promise_cli.session.kept import KeptWindows
from promise_cli.session.networks import MAX_STATES, Networks, Volume32
from promise_cli.session.tissue import is_tissue
from promise_cli.volume import Volume

MIN_TISSUE = 0.01
"""Smallest share of tissue in a window. Windows with less are skipped when a scan is segmented without clicks."""


@dataclass(eq=False)
class Answers:
    """Probabilities that the networks give for clicks, window by window."""

    networks: Networks
    plan: Plan
    scan: Volume
    """Scan, read with the plan's orientation."""
    keep_windows: int
    """Number of encoded windows that are kept for further clicks, if memory allows."""
    where: str
    """Name of the scan in messages."""
    seconds: Seconds
    """Time spent on the scan. The seconds of resampling and of the networks are added to it."""
    kept: KeptWindows | None = None
    """Encoded windows that several scans share, instead of `keep_windows` of this scan alone."""

    def __post_init__(self) -> None:
        if self.kept is None:
            most = min(self.keep_windows, MAX_STATES // self.networks.states_per_window)
            self.kept = KeptWindows(most)
        self._number = self.kept.new_scan()
        began = time.monotonic()
        self._image, self.grid = preprocess_image(self.scan, self.plan, where=self.where)
        self.seconds.resample += time.monotonic() - began

    def ask(self, window: Patch, clicks: NDArray[np.int64], signs: NDArray[np.int64]) -> Volume32:
        """Return the foreground probability `(I, J, K)` in a window, given those clicks that lie in it.

        Args:
            window: Window on the plan's grid.
            clicks: `(N, 3)`, voxels of the plan's grid. If none lies in the window, the networks run without a click.
            signs: `(N,)`, foreground or background.
        """
        assert self.kept is not None
        encoded = self.kept.window(self._number, window, self._image)
        seen = window.inside(clicks)
        began = time.monotonic()
        found = self.networks.probabilities(
            encoded, clicks[seen] - np.array(window.origin), signs[seen]
        )
        self.seconds.network += time.monotonic() - began
        return found

    def close(self) -> None:
        """Drop the scan's encoded windows."""
        assert self.kept is not None
        self.kept.forget(self._number)

    def is_tissue(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which voxels `(N, 3)` of the plan's grid are tissue. All channels must show tissue there."""
        ratio = np.array(self.scan.grid.shape) / np.array(self.grid.shape)
        nearest = np.minimum(
            ((places + 0.5) * ratio).astype(np.int64), np.array(self.scan.grid.shape) - 1
        )
        found = [
            is_tissue(channel[tuple(nearest.T)], planned.normalisation)
            for channel, planned in zip(self.scan.channels, self.plan.channels, strict=True)
        ]
        return np.logical_and.reduce(found)

    def holds_tissue(self, window: Patch) -> bool:
        """Return whether a window holds enough tissue to be segmented without clicks.

        Only every fourth voxel along each axis is tested.
        """
        lines = [
            np.arange(max(start, 0), min(start + edge, n), 4)
            for start, edge, n in zip(window.origin, window.shape, self.grid.shape, strict=True)
        ]
        places = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)
        return bool(len(places)) and float(self.is_tissue(places).mean()) >= MIN_TISSUE
