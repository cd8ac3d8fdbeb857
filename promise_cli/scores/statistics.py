"""Statistics of scores over cases, with a bootstrap interval of the mean."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BOOTSTRAP_SAMPLES = 10_000
BOOTSTRAP_SEED = 0
CONFIDENCE_PERCENT = 95.0


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Statistics of one metric over the cases; NaN where there are too few cases."""

    n: int
    """Number of cases that have a value."""
    excluded: int
    """Number of cases that have no value: the metric does not exist for their masks, or a prediction is missing and was
    skipped.
    """
    mean: float
    sd: float
    """Standard deviation, with n - 1 in the denominator."""
    median: float
    quartiles: tuple[float, float]
    """25th and 75th percentile, interpolated linearly between values."""
    minimum: float
    maximum: float
    interval: tuple[float, float]
    """95 % interval of the mean by the bootstrap: percentiles of 10,000 means of cases drawn with replacement."""


def mean_of(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    present = [value for value in values if not math.isnan(value)]
    return sum(present) / len(present) if present else math.nan


def format_number(value: float, places: int) -> str:
    """Format a number for tables, with a dash for NaN. A number that rounds to zero has no sign."""
    return "-" if math.isnan(value) else f"{value:z.{places}f}"


def format_range(ends: tuple[float, float], places: int) -> str:
    """Format both ends of a range for tables, with a single dash if they are NaN."""
    low, high = (format_number(end, places) for end in ends)
    return "-" if low == high == "-" else f"{low} to {high}"


def format_spread(mean: float, sd: float, places: int) -> str:
    """Format a mean with its standard deviation, or alone if there is none."""
    shown = format_number(mean, places)
    return shown if math.isnan(sd) else f"{shown} ± {format_number(sd, places)}"


def describe(values: Sequence[float]) -> Statistics:
    """Compute the statistics of the values that are not NaN."""
    all_values = np.asarray(values, dtype=np.float64)
    present = all_values[~np.isnan(all_values)]
    n = len(present)
    if n == 0:
        nan = math.nan
        return Statistics(
            n=0,
            excluded=len(all_values),
            mean=nan,
            sd=nan,
            median=nan,
            quartiles=(nan, nan),
            minimum=nan,
            maximum=nan,
            interval=(nan, nan),
        )
    low, median, high = np.percentile(present, (25, 50, 75)).tolist()
    return Statistics(
        n=n,
        excluded=len(all_values) - n,
        mean=float(present.mean()),
        sd=float(present.std(ddof=1)) if n > 1 else math.nan,
        median=median,
        quartiles=(low, high),
        minimum=float(present.min()),
        maximum=float(present.max()),
        interval=bootstrap_interval(present),
    )


def bootstrap_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Compute the 95 % percentile interval of the mean of (N,) values; NaN for fewer than two. The seed is fixed."""
    if len(values) < 2:
        return math.nan, math.nan
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    block = 1000  # limits the memory, and draws the same cases as one call for all samples
    means = np.concatenate(
        [
            values[rng.integers(0, len(values), (block, len(values)))].mean(axis=1)
            for _ in range(BOOTSTRAP_SAMPLES // block)
        ]
    )
    tail = (100 - CONFIDENCE_PERCENT) / 2
    low, high = np.percentile(means, (tail, 100 - tail)).tolist()
    return low, high
