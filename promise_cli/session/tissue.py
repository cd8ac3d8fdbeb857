"""Separates tissue from air and metal by intensity, based on the range of the target's intensities in the plan."""

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.plan import Normalisation

MIN_MARGIN = 200.0
"""Smallest margin, in HU, by which tissue may lie outside the target's range. If the range is wider than this, the
margin is as wide as the range."""


def tissue_range(normalisation: Normalisation) -> tuple[float, float]:
    """Return the lowest and the highest intensity of tissue. There are no limits if intensities have no unit (MR)."""
    if normalisation.scheme == "case":
        return -np.inf, np.inf
    margin = max(normalisation.high - normalisation.low, MIN_MARGIN)
    return normalisation.low - margin, normalisation.high + margin


def is_tissue(
    intensities: NDArray[np.generic] | float, normalisation: Normalisation
) -> NDArray[np.bool_]:
    """Return which intensities can be tissue. They must be as stored in the scan, in HU for CT."""
    low, high = tissue_range(normalisation)
    values = np.asarray(intensities)
    return (values >= low) & (values <= high)
