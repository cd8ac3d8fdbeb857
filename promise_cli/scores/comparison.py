"""Two sets of scores of the same cases: the tests, and the records of `comparison` in metrics.json."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from promise_cli.scores.statistics import CONFIDENCE_PERCENT, bootstrap_interval

K = TypeVar("K", bound=Hashable)

WilcoxonMethod = Literal["exact", "all sign changes", "normal approximation", "none"]

DECIMALS = 12
"""Differences are rounded to so many before they are ranked, so that rounding makes no order between ties."""
MOST_EXACT = 50
"""Pairs up to which Wilcoxon's distribution is taken exactly where there are neither ties nor zeros."""
MOST_SIGN_CHANGES = 13
"""Pairs up to which all changes of sign are counted through where there are ties or zeros."""


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """One metric of one label, case by case; NaN where there are too few pairs.

    The t-test has no value where all cases differ by the same either.
    """

    n: int
    """Cases in which both sets have a value."""
    excluded: int
    """Cases in which one or both have none."""
    mean: float
    """Mean of this set over the n cases."""
    other_mean: float
    mean_difference: float
    """This set minus the other."""
    sd_difference: float
    interval_t: tuple[float, float]
    """95 % interval of the mean difference by Student's t."""
    interval: tuple[float, float]
    """95 % interval of the mean difference, by the bootstrap over cases."""
    t: float
    """Statistic of the paired t-test with n - 1 degrees of freedom."""
    t_p: float
    """Two-tailed."""
    t_p_holm: float
    """Corrected for all labels and metrics of the comparison."""
    wilcoxon: float
    """W of the signed-rank test, the smaller sum of ranks; zeros are left out."""
    wilcoxon_p: float
    """Two-tailed."""
    wilcoxon_p_holm: float
    wilcoxon_method: WilcoxonMethod
    effect_size: float
    """Cohen's dz: the mean difference over the standard deviation of the differences."""


@dataclass(frozen=True, kw_only=True)
class LabelComparison:
    """One label."""

    label: int | str
    name: str
    metrics: dict[str, MetricComparison]
    """Comparison of each metric by its key, such as `dice` and `nsd_5.0mm`."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """This set of predictions against another."""

    other: str
    """Where the other set was found."""
    tests: int
    """How many p-values of the t-test Holm's correction counts."""
    wilcoxon_tests: int
    """Number of Wilcoxon tests in Holm's correction; this test also covers differences that do not vary."""
    labels: tuple[LabelComparison, ...]


def compare_pairs(values: Sequence[float], others: Sequence[float]) -> MetricComparison:
    """Compare two equally long lists of scores, case by case; Holm's correction is still to come.

    The t-test is the one of the paper; Wilcoxon's is that of the Medical Segmentation Decathlon's ranking.
    """
    a, b = np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)
    both = ~(np.isnan(a) | np.isnan(b))
    difference = np.round(a[both] - b[both], DECIMALS)
    n = int(both.sum())
    nan = math.nan
    sd = float(difference.std(ddof=1)) if n > 1 else nan
    varies = n > 1 and np.ptp(difference) > 0
    t, t_p, interval_t = _t_test(difference) if varies else (nan, nan, (nan, nan))
    w, w_p, method = _wilcoxon(difference)
    return MetricComparison(
        n=n,
        excluded=len(a) - n,
        mean=float(a[both].mean()) if n else nan,
        other_mean=float(b[both].mean()) if n else nan,
        mean_difference=float(difference.mean()) if n else nan,
        sd_difference=sd,
        interval_t=interval_t,
        interval=bootstrap_interval(difference),
        t=t,
        t_p=t_p,
        t_p_holm=nan,
        wilcoxon=w,
        wilcoxon_p=w_p,
        wilcoxon_p_holm=nan,
        wilcoxon_method=method,
        effect_size=float(difference.mean()) / sd if varies else nan,
    )


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """Holm's step-down correction; NaN stays NaN and counts as no test."""
    corrected = dict.fromkeys(p_values, math.nan)
    tests = [key for key, p in p_values.items() if not math.isnan(p)]
    highest = 0.0
    for rank, key in enumerate(sorted(tests, key=lambda key: p_values[key])):
        highest = max(highest, min(1.0, p_values[key] * (len(tests) - rank)))
        corrected[key] = highest
    return corrected


def _t_test(difference: NDArray[np.float64]) -> tuple[float, float, tuple[float, float]]:
    from scipy import stats  # noqa: PLC0415 - a second that few calls need

    found = stats.ttest_1samp(difference, 0.0)
    interval = found.confidence_interval(CONFIDENCE_PERCENT / 100)
    return float(found.statistic), float(found.pvalue), (float(interval.low), float(interval.high))


def _wilcoxon(difference: NDArray[np.float64]) -> tuple[float, float, WilcoxonMethod]:
    """W, p and method; the choice of method is scipy's `auto`, made here so that it can be named."""
    from scipy import stats  # noqa: PLC0415

    moved = difference[difference != 0]
    if len(moved) == 0:
        return math.nan, math.nan, "none"
    plain = len(moved) == len(difference) and len(np.unique(np.abs(moved))) == len(moved)
    plain = plain or len(moved) == 1  # whose sign alone scipy does not change
    method: WilcoxonMethod
    if plain and len(moved) <= MOST_EXACT:
        method, how = "exact", "exact"
    elif len(moved) <= MOST_SIGN_CHANGES:
        method, how = "all sign changes", stats.PermutationMethod(n_resamples=2**MOST_SIGN_CHANGES)
    else:
        method, how = "normal approximation", "asymptotic"
    found = stats.wilcoxon(moved, zero_method="wilcox", method=how)
    return float(found.statistic), float(found.pvalue), method
