"""The result of segmenting one lesion in one scan."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.grid import Shape
from promise_cli.geometry.patch import Patch
from promise_cli.geometry.resample import resample_window
from promise_cli.session.fusion import Canvas, Volume32


@dataclass(frozen=True, eq=False)
class Prediction:
    """Probabilities and mask of one lesion in one scan."""

    probabilities: NDArray[np.float32]
    """Foreground probabilities, `(I, J, K)` float32, on the part of the scan's grid that the windows cover."""
    place: tuple[slice, slice, slice]
    """Slices of the scan's array that `probabilities` covers. Outside of them the probability is 0."""
    scan_shape: Shape
    """Shape of the scan in the plan's orientation."""
    windows: tuple[Patch, ...]
    """Windows on the plan's grid, in the order in which the network saw them."""
    clicks_outside_window: int = 0
    """Number of clicks that lie in no window and were not used."""
    closed: bool = True
    """Whether the mask ends inside the windows. False if it continues but no further windows were allowed. If only
    one window was allowed, this is not examined and always true."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Mask `(I, J, K)` on the scan's grid, in the plan's orientation."""
        mask = np.zeros(self.scan_shape, dtype=bool)
        mask[self.place] = self.probabilities > 0.5
        return mask

    @property
    def window(self) -> Patch:
        """First window that the networks saw."""
        return self.windows[0]


def to_scan(
    canvas: Canvas,
    fused: Volume32,
    located: NDArray[np.int64],
    plan_shape: Shape,
    scan_shape: Shape,
    *,
    closed: bool,
) -> Prediction:
    """Resample fused probabilities from the plan's grid to the scan's grid.

    Args:
        canvas: The windows, at least one.
        fused: Their probabilities on the canvas.
        located: Clicks (N, 3) on the plan's grid.
        plan_shape: Shape of the plan's grid.
        scan_shape: Shape of the scan's grid.
        closed: Whether the mask ends inside the windows.
    """
    seen = np.any([window.inside(located) for window in canvas.windows], axis=0)
    assert canvas.block is not None
    block, place = resample_window(fused, canvas.block.origin, plan_shape, scan_shape)
    return Prediction(block, place, scan_shape, tuple(canvas.windows), int((~seen).sum()), closed)
