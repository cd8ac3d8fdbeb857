"""What the network found in one scan for one lesion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.grid import Shape
from promise_cli.geometry.patch import Patch


@dataclass(frozen=True, eq=False)
class Prediction:
    """What was found in one scan for one lesion."""

    probabilities: NDArray[np.float32]
    """Foreground probabilities, (I, J, K) float32, on the part of the scan's grid that the windows covered."""
    place: tuple[slice, slice, slice]
    """Slices of the scan's array that `probabilities` cover; outside, the probability is 0."""
    scan_shape: Shape
    windows: tuple[Patch, ...]
    """Windows on the plan's grid, in the order in which the network saw them."""
    clicks_outside_window: int = 0
    """Number of clicks that lie in no window and were not used."""
    closed: bool = True
    """Whether the mask ends inside the windows; False where no further windows were allowed."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(I, J, K) on the scan's grid in the plan's orientation."""
        mask = np.zeros(self.scan_shape, dtype=bool)
        mask[self.place] = self.probabilities > 0.5
        return mask

    @property
    def window(self) -> Patch:
        """The first window."""
        return self.windows[0]
