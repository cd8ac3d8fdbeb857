"""Metrics: their names and units, the range of their values, and which values are better."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from promise_cli.scores.comparison import LabelComparison
from promise_cli.scores.score_record import CaseScore, LabelSummary
from promise_cli.scores.statistics import Statistics

FurtherMetric = Literal["hd95", "assd", "precision", "recall", "volume_difference"]
"""Name of a metric that can be asked for besides Dice and NSD, as `--metrics` takes it."""
PairedScores = Mapping[tuple[str, str], Mapping[str, float]]
"""For each case id and label: the value of every metric, by the metric's key."""


@dataclass(frozen=True)
class Metric:
    """One metric: its name, the range of its values, and how they are shown."""

    key: str
    """Name of the column in `metrics.csv`, such as `dice`, `nsd_5.0mm` or `hd95_mm`."""
    title: str
    """Name with its unit, for tables and pages."""
    better: Literal["higher", "lower", "zero"]
    """Which values are better: higher ones, lower ones, or those closer to zero."""
    best: float
    """Value where prediction and reference agree."""
    decimals: int = 4
    """Decimal places in the tables on the screen; Markdown tables have one fewer."""
    lowest: float = 0.0
    """Smallest possible value, included."""
    highest: float = 1.0
    """Largest possible value, included; infinite where there is no upper bound."""


DICE = Metric("dice", "Dice", "higher", 1.0)
FURTHER_METRICS: Mapping[FurtherMetric, Metric] = {
    "hd95": Metric("hd95_mm", "HD95 (mm)", "lower", 0.0, 2, highest=math.inf),
    "assd": Metric("assd_mm", "ASSD (mm)", "lower", 0.0, 2, highest=math.inf),
    "precision": Metric("precision", "Precision", "higher", 1.0),
    "recall": Metric("recall", "Recall", "higher", 1.0),
    "volume_difference": Metric(
        "volume_difference",
        "Volume difference",
        "zero",
        0.0,
        lowest=-1.0,
        highest=math.inf,
    ),
}
"""Metrics that can be asked for besides Dice and NSD, by name. HD95 and ASSD are in mm; the others have no unit."""


def nsd_metric(tolerance: str) -> Metric:
    """Return the metric NSD at a tolerance in mm, which is written as in the keys of `CaseScore.nsd`."""
    return Metric(f"nsd_{tolerance}mm", f"NSD {float(tolerance):g} mm", "higher", 1.0)


def metrics_of(scores: CaseScore | LabelSummary) -> tuple[Metric, ...]:
    """Return all metrics that these scores hold, in the order of `values_of` and `statistics_of`."""
    further = {metric.key: metric for metric in FURTHER_METRICS.values()}
    return (DICE, *map(nsd_metric, scores.nsd), *(further[key] for key in scores.further))


def values_of(case: CaseScore) -> dict[str, float]:
    """Return every score of a case by the metric's key."""
    values = (case.dice, *case.nsd.values(), *case.further.values())
    keys = (metric.key for metric in metrics_of(case))
    return dict(zip(keys, values, strict=True))


def statistics_of(summary: LabelSummary) -> dict[str, Statistics]:
    """Return the statistics of every metric by the metric's key."""
    values = (summary.dice, *summary.nsd.values(), *summary.further.values())
    keys = (metric.key for metric in metrics_of(summary))
    return dict(zip(keys, values, strict=True))


def shown_names(
    labels: Sequence[LabelSummary] | Sequence[LabelComparison],
) -> dict[int | str | None, str]:
    """Return a different name for each label value.

    Labels with the same name are shown with their value, such as `tumour (2)`. If two names are still equal, all labels
    are shown with their value.
    """
    names = [label.name for label in labels]
    with_value = {
        label.label: label.name if label.label is None else f"{label.name} ({label.label})"
        for label in labels
    }
    shown = {
        label.label: label.name if names.count(label.name) == 1 else with_value[label.label]
        for label in labels
    }
    return shown if len(set(shown.values())) == len(labels) else with_value
