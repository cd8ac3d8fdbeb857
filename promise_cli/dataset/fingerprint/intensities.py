"""The target's intensities as a histogram.

It gives exact statistics of a dataset of any size without holding its voxels in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_VALUES = 1 << 16
"""Largest number of different intensities that are kept of one case: as many as 16 bits can hold.

If a scan has more, its sorted intensities are thinned evenly. This changes the rank of a percentile by less than 1 in
65,536.
"""


@dataclass(frozen=True, kw_only=True)
class Intensities:
    """Statistics of the target's intensities over all cases, as stored (HU for CT)."""

    num_voxels: int
    """Number of voxels that the statistics below are computed from."""
    minimum: float
    percentile_00_5: float
    median: float
    mean: float
    percentile_99_5: float
    maximum: float
    std: float


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often each intensity occurs, with the exact mean and variance of all intensities."""

    values: NDArray[np.float64]
    """Intensities that occur, (V,), rising; the least and the greatest are always among them."""
    counts: NDArray[np.int64]
    """Number of voxels with each intensity, (V,), at least 1."""
    mean: float
    variance: float

    @classmethod
    def of(cls, intensities: NDArray[Any]) -> "Histogram":
        """Count the intensities in an array of any shape that is not empty."""
        values, counts = _count(intensities)
        exact = values.astype(np.float64)
        mean = float((exact * counts).sum() / counts.sum())
        variance = float((counts * (exact - mean) ** 2).sum() / counts.sum())
        return cls(*_thinned(exact, counts), mean, variance)

    @property
    def num_voxels(self) -> int:
        """Number of voxels that were counted."""
        return int(self.counts.sum())

    def percentiles(self, percents: Sequence[float]) -> list[float]:
        """Return percentiles, interpolated linearly between order statistics as NumPy does."""
        ends = np.cumsum(self.counts)
        rank = np.asarray(percents) / 100 * (ends[-1] - 1)
        below = np.floor(rank)
        low = self.values[np.searchsorted(ends, below, side="right")]
        high = self.values[np.searchsorted(ends, np.ceil(rank), side="right")]
        return (low + (high - low) * (rank - below)).tolist()

    def clipped(self, low: float, high: float) -> tuple[float, float]:
        """Return mean and standard deviation of the intensities after clipping them to [low, high]."""
        values = np.clip(self.values, low, high)
        mean = float((values * self.counts).sum() / self.counts.sum())
        return mean, float(np.sqrt((self.counts * (values - mean) ** 2).sum() / self.counts.sum()))


def join_histograms(histograms: Sequence[Histogram]) -> Histogram:
    """Return one histogram of all voxels of several histograms; there must be at least one."""
    counts = np.array([histogram.num_voxels for histogram in histograms], dtype=np.float64)
    means = np.array([histogram.mean for histogram in histograms])
    variances = np.array([histogram.variance for histogram in histograms])
    mean = float((counts * means).sum() / counts.sum())
    variance = float((counts * (variances + (means - mean) ** 2)).sum() / counts.sum())
    values = np.concatenate([histogram.values for histogram in histograms])
    order = np.argsort(values, kind="stable")
    joined = np.concatenate([histogram.counts for histogram in histograms])[order]
    return Histogram(values[order], joined, mean, variance)


def describe_intensities(histogram: Histogram) -> Intensities:
    """Return the statistics that the plan is made from."""
    low, median, high = histogram.percentiles((0.5, 50, 99.5))
    return Intensities(
        num_voxels=histogram.num_voxels,
        minimum=float(histogram.values[0]),
        percentile_00_5=low,
        median=median,
        mean=histogram.mean,
        percentile_99_5=high,
        maximum=float(histogram.values[-1]),
        std=float(np.sqrt(histogram.variance)),
    )


def _count(intensities: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the different values, (V,), rising, and how often each occurs, (V,).

    Whole numbers are counted without sorting them, unless they span too many values.
    """
    if intensities.dtype.kind in "iu":
        low, span = int(intensities.min()), int(intensities.max()) - int(intensities.min())
        if span < MAX_VALUES:
            planes = intensities.T if intensities.flags.f_contiguous else intensities
            planes = planes if planes.ndim > 1 else planes[None]
            counts = np.zeros(span + 1, dtype=np.int64)
            for plane in planes:
                counts += np.bincount(plane.ravel().astype(np.int64) - low, minlength=span + 1)
            there = np.flatnonzero(counts)
            return there + low, counts[there]
    values, counts = np.unique(intensities, return_counts=True)
    return values, counts.astype(np.int64)


def _thinned(
    values: NDArray[np.float64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Reduce the values to `MAX_VALUES` if there are more.

    Neighbouring values are replaced by their middle one, which gets their counts. The first and last value stay.
    """
    if values.size <= MAX_VALUES:
        return values, counts
    edges = np.linspace(1, values.size - 1, MAX_VALUES - 1).astype(np.int64)
    starts = np.concatenate([[0], edges])
    middle = np.concatenate([[0], (edges[:-1] + edges[1:] - 1) // 2, [values.size - 1]])
    return values[middle], np.add.reduceat(counts, starts)
