"""What a metric is called, in which unit, and which way is better."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from promise_cli.scores.comparison import LabelComparison
from promise_cli.scores.score_record import CaseScore, LabelSummary
from promise_cli.scores.statistics import Statistics

FurtherMetric = Literal["hd95", "assd", "precision", "recall", "volume_difference"]
"""Metrics that may be asked for besides Dice and NSD."""
PairedScores = Mapping[tuple[str, str], Mapping[str, float]]
"""Values by metric's key, by case id and label."""


@dataclass(frozen=True)
class Metric:
    """One column of numbers."""

    key: str
    """Column of `metrics.csv`: `dice`, `nsd_5.0mm`, `hd95_mm` ..."""
    title: str
    """Name with its unit, for tables and pages."""
    better: Literal["higher", "lower", "zero"]
    best: float
    """Its value where prediction and reference agree."""
    decimals: int = 4
    lowest: float = 0.0
    highest: float = 1.0
    """Between which its values lie, both included."""


DICE = Metric("dice", "Dice", "higher", 1.0)
FURTHER_METRICS: Mapping[FurtherMetric, Metric] = {
    "hd95": Metric("hd95_mm", "HD95 (mm)", "lower", 0.0, 2, highest=math.inf),
    "assd": Metric("assd_mm", "ASSD (mm)", "lower", 0.0, 2, highest=math.inf),
    "precision": Metric("precision", "Precision", "higher", 1.0),
    "recall": Metric("recall", "Recall", "higher", 1.0),
    "volume_difference": Metric(
        "volume_difference",
        "Volume difference (relative)",
        "zero",
        0.0,
        lowest=-1.0,
        highest=math.inf,
    ),
}


def nsd_metric(tolerance: str) -> Metric:
    """NSD at a tolerance in mm, as `CaseScore.nsd` names it."""
    return Metric(f"nsd_{tolerance}mm", f"NSD {float(tolerance):g} mm", "higher", 1.0)


def metrics_of(scores: CaseScore | LabelSummary) -> tuple[Metric, ...]:
    """All metrics that these scores hold, in the order of `values_of` and `statistics_of`."""
    further = {metric.key: metric for metric in FURTHER_METRICS.values()}
    return (DICE, *map(nsd_metric, scores.nsd), *(further[key] for key in scores.further))


def values_of(case: CaseScore) -> dict[str, float]:
    """Every score of a case by the metric's key."""
    values = (case.dice, *case.nsd.values(), *case.further.values())
    keys = (metric.key for metric in metrics_of(case))
    return dict(zip(keys, values, strict=True))


def statistics_of(summary: LabelSummary) -> dict[str, Statistics]:
    """The statistics of every metric by its key."""
    values = (summary.dice, *summary.nsd.values(), *summary.further.values())
    keys = (metric.key for metric in metrics_of(summary))
    return dict(zip(keys, values, strict=True))


def shown_names(
    labels: Sequence[LabelSummary] | Sequence[LabelComparison],
) -> dict[int | str | None, str]:
    """What to call each label, each otherwise: its name, and its value where two bear one name."""
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
