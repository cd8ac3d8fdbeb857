"""Paired tests of two sets of scores of the same cases, and the records of `comparison` in metrics.json."""

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
"""Decimal places to which differences are rounded before they are ranked, so that float errors do not break ties."""
MOST_EXACT = 50
"""Largest number of pairs for which Wilcoxon's exact distribution is used, if there are neither ties nor zeros."""
MOST_SIGN_CHANGES = 13
"""Largest number of pairs for which all changes of sign are enumerated, if there are ties or zeros."""


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """Paired comparison of one metric of one label over the cases.

    Values are NaN where there are too few pairs. The t-test, its interval and the effect size are also NaN where the
    difference is the same in all cases.
    """

    n: int
    """Number of cases in which both sets have a value."""
    excluded: int
    """Number of cases in which one or both sets have no value."""
    mean: float
    """Mean of this set over the n cases."""
    other_mean: float
    """Mean of the other set over the n cases."""
    mean_difference: float
    """Mean over the n cases of this set's value minus the other set's."""
    sd_difference: float
    """Standard deviation of these differences, with n - 1 in the denominator."""
    interval_t: tuple[float, float]
    """95 % interval of the mean difference by Student's t."""
    interval: tuple[float, float]
    """95 % interval of the mean difference, by the bootstrap over cases."""
    t: float
    """Statistic of the paired t-test with n - 1 degrees of freedom."""
    t_p: float
    """Two-tailed p-value of the paired t-test, without correction."""
    t_p_holm: float
    """The p-value `t_p` after Holm's correction over all labels and metrics of the comparison."""
    wilcoxon: float
    """W of Wilcoxon's signed-rank test: the smaller sum of ranks. Differences of zero are left out."""
    wilcoxon_p: float
    """Two-tailed p-value of Wilcoxon's signed-rank test, without correction."""
    wilcoxon_p_holm: float
    """The p-value `wilcoxon_p` after Holm's correction over all labels and metrics of the comparison."""
    wilcoxon_method: WilcoxonMethod
    """How `wilcoxon_p` was computed; `none` if all differences are zero or there are no pairs."""
    effect_size: float
    """Cohen's dz: the mean difference divided by the standard deviation of the differences."""


@dataclass(frozen=True, kw_only=True)
class LabelComparison:
    """Comparison of all metrics of one label."""

    label: int | str
    name: str
    metrics: dict[str, MetricComparison]
    """Comparison of each metric by its key, such as `dice` and `nsd_5.0mm`."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Comparison of this set of predictions with another."""

    other: str
    """Path of the other set."""
    tests: int
    """Number of t-tests that Holm's correction counts."""
    wilcoxon_tests: int
    """Number of Wilcoxon tests that Holm's correction counts.

    It can be larger than `tests`, since this test also has a value where the difference is the same in all cases.
    """
    labels: tuple[LabelComparison, ...]


def compare_pairs(values: Sequence[float], others: Sequence[float]) -> MetricComparison:
    """Compare two equally long lists of scores case by case, without Holm's correction.

    The paper uses the paired t-test, and the ranking of the Medical Segmentation Decathlon uses Wilcoxon's test.

    Args:
        values: Scores of this set in the order of the cases; NaN where there is no value.
        others: Scores of the other set, in the same order.

    Returns:
        The comparison. Its corrected p-values are NaN.
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
    """Correct p-values by Holm's step-down method. NaN stays NaN and does not count as a test."""
    corrected = dict.fromkeys(p_values, math.nan)
    tests = [key for key, p in p_values.items() if not math.isnan(p)]
    highest = 0.0
    for rank, key in enumerate(sorted(tests, key=lambda key: p_values[key])):
        highest = max(highest, min(1.0, p_values[key] * (len(tests) - rank)))
        corrected[key] = highest
    return corrected


def _t_test(difference: NDArray[np.float64]) -> tuple[float, float, tuple[float, float]]:
    from scipy import stats  # noqa: PLC0415 - it takes a second to load

    found = stats.ttest_1samp(difference, 0.0)
    interval = found.confidence_interval(CONFIDENCE_PERCENT / 100)
    return float(found.statistic), float(found.pvalue), (float(interval.low), float(interval.high))


def _wilcoxon(difference: NDArray[np.float64]) -> tuple[float, float, WilcoxonMethod]:
    """Return W, its p-value and the method of Wilcoxon's signed-rank test.

    The method is chosen as scipy's `auto` does. The choice is made here so that the method can be reported.
    """
    from scipy import stats  # noqa: PLC0415

    moved = difference[difference != 0]
    if len(moved) == 0:
        return math.nan, math.nan, "none"
    plain = len(moved) == len(difference) and len(np.unique(np.abs(moved))) == len(moved)
    plain = plain or len(moved) == 1  # scipy refuses to change the sign of only one
    method: WilcoxonMethod
    if plain and len(moved) <= MOST_EXACT:
        method, how = "exact", "exact"
    elif len(moved) <= MOST_SIGN_CHANGES:
        method, how = "all sign changes", stats.PermutationMethod(n_resamples=2**MOST_SIGN_CHANGES)
    else:
        method, how = "normal approximation", "asymptotic"
    found = stats.wilcoxon(moved, zero_method="wilcox", method=how)
    return float(found.statistic), float(found.pvalue), method
