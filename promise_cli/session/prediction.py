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
    """Of the foreground, on the part of the scan's grid that the windows saw."""
    place: tuple[slice, slice, slice]
    """Where that part lies in the scan; outside, the probability is 0."""
    scan_shape: Shape
    windows: tuple[Patch, ...]
    """On the plan's grid, in the order in which they were looked at."""
    clicks_outside_window: int = 0
    """Clicks that no window saw and that were not used."""
    closed: bool = True
    """Whether the mask ends inside the windows; False where their number was used up before."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(I, J, K) on the scan's grid in the plan's orientation."""
        mask = np.zeros(self.scan_shape, dtype=bool)
        mask[self.place] = self.probabilities > 0.5
        return mask

    @property
    def window(self) -> Patch:
        """The first one."""
        return self.windows[0]
