"""The target's intensities as a histogram: exact numbers of any dataset without its voxels in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_VALUES = 1 << 16
"""Different intensities kept of one case: all that 16 bits hold. Where a scan of other numbers has more, the sorted
intensities are thinned evenly, which moves a percentile's rank by less than 1 in 65,536 at most."""


@dataclass(frozen=True, kw_only=True)
class Intensities:
    """Statistics of the target's intensities over all cases, as stored (HU for CT)."""

    num_voxels: int
    """How many intensities the numbers below are made of."""
    minimum: float
    percentile_00_5: float
    median: float
    mean: float
    percentile_99_5: float
    maximum: float
    std: float


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often each intensity occurs, and their exact mean and deviation."""

    values: NDArray[np.float64]
    """(V,), rising; the least and the greatest intensity are among them."""
    counts: NDArray[np.int64]
    """(V,), at least 1 each."""
    mean: float
    variance: float

    @classmethod
    def of(cls, intensities: NDArray[Any]) -> "Histogram":
        """Count the intensities, any shape but not empty."""
        values, counts = _count(intensities)
        exact = values.astype(np.float64)
        mean = float((exact * counts).sum() / counts.sum())
        variance = float((counts * (exact - mean) ** 2).sum() / counts.sum())
        return cls(*_thinned(exact, counts), mean, variance)

    @property
    def num_voxels(self) -> int:
        """How many intensities were counted."""
        return int(self.counts.sum())

    def percentiles(self, percents: Sequence[float]) -> list[float]:
        """Linear between order statistics, as NumPy has them."""
        ends = np.cumsum(self.counts)
        rank = np.asarray(percents) / 100 * (ends[-1] - 1)
        below = np.floor(rank)
        low = self.values[np.searchsorted(ends, below, side="right")]
        high = self.values[np.searchsorted(ends, np.ceil(rank), side="right")]
        return (low + (high - low) * (rank - below)).tolist()

    def clipped(self, low: float, high: float) -> tuple[float, float]:
        """Mean and deviation of the intensities clipped to [low, high]."""
        values = np.clip(self.values, low, high)
        mean = float((values * self.counts).sum() / self.counts.sum())
        return mean, float(np.sqrt((self.counts * (values - mean) ** 2).sum() / self.counts.sum()))


def join_histograms(histograms: Sequence[Histogram]) -> Histogram:
    """One histogram of all, at least one."""
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
    """The numbers that the plan is made from."""
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
    """Different values, rising, and how often each occurs; whole numbers are counted without sorting them."""
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
    """Join neighbouring values where there are too many, under the middle one; the ends stay."""
    if values.size <= MAX_VALUES:
        return values, counts
    edges = np.linspace(1, values.size - 1, MAX_VALUES - 1).astype(np.int64)
    starts = np.concatenate([[0], edges])
    middle = np.concatenate([[0], (edges[:-1] + edges[1:] - 1) // 2, [values.size - 1]])
    return values[middle], np.add.reduceat(counts, starts)
