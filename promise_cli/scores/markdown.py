"""Scores as Markdown tables for a paper: mean and spread by label, the comparison, and how they were computed."""

import math
import re
from collections.abc import Iterable, Sequence

from promise_cli.scores.comparison import Comparison
from promise_cli.scores.metric import Metric, metrics_of, shown_names, statistics_of
from promise_cli.scores.score_record import LabelSummary, Report
from promise_cli.scores.statistics import Statistics, format_number, format_range, format_spread

_SPECIAL = re.compile(r"[\\|*_\[\]`<>~&]")
"""Characters that have a meaning in Markdown within a line."""


def to_markdown(report: Report) -> str:
    """Return the text of `metrics.md`."""
    labels = report.summary.labels
    parts = [
        f"# Scores of {escape(report.dataset or report.predictions)}",
        _summary_table([*labels, *([report.summary.overall] if len(labels) > 1 else [])]),
        _worst_cases(labels),
        _method(report),
    ]
    if report.comparison is not None:
        parts += [
            f"## Compared with {escape(report.comparison.other)}",
            _comparison_table(report.comparison, metrics_of(report.cases[0])),
            comparison_method(report.comparison),
        ]
    return "\n\n".join(parts) + "\n"


def comparison_method(comparison: Comparison) -> str:
    """Describe in words how the tests were made, if there are any."""
    if not is_tested(comparison):
        return "Difference: this set minus the other. A single case cannot be tested."
    methods = sorted(
        {
            test.wilcoxon_method
            for label in comparison.labels
            for test in label.metrics.values()
            if test.wilcoxon_method != "none"
        }
    )
    return (
        "Difference: this set minus the other, with the 95 % interval by Student's t and by the bootstrap."
        " Tests: two-tailed paired t-test, and Wilcoxon's signed-rank test without zeros"
        f" ({', '.join(methods) or 'no difference to rank'}). dz: mean difference divided by the standard deviation of"
        f" the differences. Holm's correction: over {comparison.tests} t-tests and {comparison.wilcoxon_tests} Wilcoxon"
        " tests."
        + (
            " The t-test has no value where the difference is the same in all cases."
            if comparison.tests < comparison.wilcoxon_tests
            else ""
        )
    )


def is_tested(comparison: Comparison) -> bool:
    """Whether two cases or more were compared, so that there are intervals and tests."""
    return any(test.n > 1 for label in comparison.labels for test in label.metrics.values())


def _summary_table(summaries: Sequence[LabelSummary]) -> str:
    names = shown_names(summaries)
    several = any(summary.dice.n > 1 for summary in summaries)
    mean = "mean ± SD" if several else "mean"
    header = ["label", "metric", "n", mean, "95 % interval", "median (quartiles)", "range"]
    rows = [
        [
            escape(names[summary.label]),
            metric.title,
            *_statistics(statistics_of(summary)[metric.key], metric),
        ]
        for summary in summaries
        for metric in metrics_of(summary)
    ]
    if not several:  # the other columns would only repeat the value
        header, rows = header[:4], [row[:4] for row in rows]
    return make_table(*without_empty_columns(header, rows), left=2)


def without_empty_columns(
    header: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """Leave out the columns of a table that hold nothing but dashes, such as intervals of a single case."""
    kept = [n for n in range(len(header)) if not rows or any(row[n] != "-" for row in rows)]
    return [header[n] for n in kept], [[row[n] for n in kept] for row in rows]


def _worst_cases(labels: Sequence[LabelSummary]) -> str:
    names = shown_names(labels)
    ranked = [
        f"{escape(names[label.label])}: {', '.join(map(escape, label.worst_cases))}"
        for label in labels
        if label.worst_cases
    ]
    return f"Lowest Dice: {'; '.join(ranked) or 'no case has a Dice'}."


def _statistics(found: Statistics, metric: Metric) -> list[str]:
    def show(value: float) -> str:
        return format_number(value, metric.decimals - 1)

    places = metric.decimals - 1
    return [
        str(found.n),
        format_spread(found.mean, found.sd, places),
        format_range(found.interval, places),
        f"{show(found.median)} ({format_range(found.quartiles, places)})",
        format_range((found.minimum, found.maximum), places),
    ]


def _method(report: Report) -> str:
    tolerances = ", ".join(f"{value:g}" for value in report.tolerances_mm)
    names = shown_names(report.summary.labels)
    failures = ", ".join(
        f"{escape(names[label.label])} {label.failures} of {label.dice.n}"
        for label in report.summary.labels
    )
    several = any(label.dice.n > 1 for label in report.summary.labels)
    spread = (
        " SD with n - 1. The interval is that of the mean, from"
        f" {report.bootstrap.samples} bootstrap samples of the cases (percentiles, seed {report.bootstrap.seed})."
    )
    return (
        f"{report.tool}, protocol {report.protocol}: Dice, and NSD at {tolerances} mm by surfel area as"
        " google-deepmind/surface-distance defines it, spacing as the header stores it."
        f"{spread if several else ''} Scores with both masks empty (--empty {report.empty_policy}):"
        f" {report.empty_cases}. Cases without prediction (--missing {report.missing_policy}): {report.missing_cases}."
        f" Dice below 0.1: {failures}."
    )


def _comparison_table(comparison: Comparison, metrics: Sequence[Metric]) -> str:
    header = ["label", "metric", "n", "mean", "other", "difference (t; bootstrap)"]
    header += ["t-test p (Holm)", "Wilcoxon p (Holm)", "Wilcoxon method", "dz"]
    names = shown_names(comparison.labels)
    rows = []
    for label in comparison.labels:
        for metric in metrics:
            test = label.metrics.get(metric.key)
            if test is None:
                continue
            places = metric.decimals - 1
            intervals = "; ".join(
                format_range(ends, places) for ends in (test.interval_t, test.interval)
            )
            rows.append(
                [
                    escape(names[label.label]),
                    metric.title,
                    str(test.n),
                    format_number(test.mean, places),
                    format_number(test.other_mean, places),
                    f"{format_number(test.mean_difference, places)} ({intervals})",
                    f"{format_p(test.t_p)} ({format_p(test.t_p_holm)})",
                    f"{format_p(test.wilcoxon_p)} ({format_p(test.wilcoxon_p_holm)})",
                    test.wilcoxon_method,
                    format_number(test.effect_size, 2),
                ]
            )
    if not is_tested(comparison):
        header = [*header[:5], "difference"]
        rows = [[*row[:5], row[5].partition(" (")[0]] for row in rows]
    return make_table(header, rows, left=2)


def format_p(p: float) -> str:
    """Format a p-value to three decimal places, as papers print it, with a dash for NaN."""
    return "-" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def make_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> str:
    """Format a table whose first `left` columns hold text and whose other columns hold numbers.

    The text of the cells is used as Markdown, so names must be escaped before.
    """
    lines = [header, ["---" if n < left else "---:" for n in range(len(header))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def escape(name: str) -> str:
    """Escape a name so that it is shown as it is, in one line of one cell, and not read as Markdown or HTML."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(name.split()))
