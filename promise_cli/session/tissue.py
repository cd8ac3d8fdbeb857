"""Which intensities can be tissue, by what the plan knows of the target's: neither air nor metal."""

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.plan import Normalisation

MIN_MARGIN = 200.0
"""HU beyond the target's own range that still are tissue; a wide range has a margin as wide."""


def tissue_range(normalisation: Normalisation) -> tuple[float, float]:
    """The lowest and the highest intensity of tissue; without limits where units mean nothing (MR)."""
    if normalisation.scheme == "case":
        return -np.inf, np.inf
    margin = max(normalisation.high - normalisation.low, MIN_MARGIN)
    return normalisation.low - margin, normalisation.high + margin


def is_tissue(
    intensities: NDArray[np.generic] | float, normalisation: Normalisation
) -> NDArray[np.bool_]:
    """Where intensities as the scan stores them, HU for CT, can be tissue."""
    low, high = tissue_range(normalisation)
    values = np.asarray(intensities)
    return (values >= low) & (values <= high)
