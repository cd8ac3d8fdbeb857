"""Scores on the screen: each case, the summary, the comparison, and the rules that applied."""

from collections.abc import Mapping

from promise_cli.console import counted, say, show_table, warn
from promise_cli.scores.comparison import Comparison
from promise_cli.scores.markdown import comparison_method, format_p, without_empty_columns
from promise_cli.scores.metric import Metric, metrics_of, shown_names, statistics_of, values_of
from promise_cli.scores.score_record import TABLE_FILE, CaseScore, LabelSummary, Report
from promise_cli.scores.statistics import format_number, format_range

COMPARISON_COLUMNS = (
    *("", "n", "mean", "other", "difference", "95 % interval"),
    *("t-test p", "Holm", "Wilcoxon p", "Holm", "method", "dz"),
)


def show_report(report: Report) -> None:
    """Print the scores of each case, the summary, the comparison, and the rules that applied."""
    for note in report.notes:
        say(note)
    metrics = metrics_of(report.cases[0])
    several = len(report.summary.labels) > 1
    summaries = (*report.summary.labels, *([report.summary.overall] if several else []))
    names = shown_names(summaries)
    show_table(
        "Cases",
        [
            "case",
            *(["label"] if several else []),
            *(metric.title for metric in metrics),
            "label ml",
            "mask ml",
            "status",
        ],
        [_case_row(case, metrics, names if several else {}) for case in report.cases],
        file=TABLE_FILE,
    )
    for summary in summaries:
        show_table(
            f"Summary: {names[summary.label]}",
            ["", *(metric.title for metric in metrics)],
            _summary_rows(summary, metrics),
        )
        if summary.dice.n > 1:
            say(f"lowest Dice: {', '.join(summary.worst_cases)}")
    if report.comparison is not None:
        _show_comparison(report.comparison, metrics)
    for warning in report.warnings:
        warn(warning)
    _show_rules(report)


def _show_rules(report: Report) -> None:
    tolerances = ", ".join(f"{tolerance:g}" for tolerance in report.tolerances_mm)
    say(f"protocol {report.protocol}: NSD at a tolerance of {tolerances} mm")
    say(
        f"both masks empty: --empty {report.empty_policy}, applied to {report.empty_cases} of"
        f" {counted(len(report.cases), 'score')}"
    )
    if report.missing_cases:
        say(
            f"prediction missing: --missing {report.missing_policy}, applied to"
            f" {counted(report.missing_cases, 'case')}"
        )
    say(f"written into {report.output}: {', '.join(report.files)}")


def _case_row(
    case: CaseScore, metrics: tuple[Metric, ...], names: Mapping[int | str | None, str]
) -> list[str]:
    values = values_of(case)
    return [
        case.case_id,
        *([names[case.label]] if names else []),
        *(format_number(values[metric.key], metric.decimals) for metric in metrics),
        f"{case.reference_ml:.2f}",
        f"{case.prediction_ml:.2f}",
        case.status.replace("_", " "),
    ]


def _summary_rows(summary: LabelSummary, metrics: tuple[Metric, ...]) -> list[list[str]]:
    """Return one row for each statistic, with one column for each metric.

    With a single case, only its values are given.
    """
    found = statistics_of(summary)
    columns = [(found[metric.key], metric) for metric in metrics]
    rows = [
        ["cases", *(str(of.n) for of, _ in columns)],
        ["without a value", *(str(of.excluded) for of, _ in columns)],
        ["mean", *(format_number(of.mean, metric.decimals) for of, metric in columns)],
        ["95 % interval", *(_range(of.interval, metric) for of, metric in columns)],
        ["SD", *(format_number(of.sd, metric.decimals) for of, metric in columns)],
        ["median", *(format_number(of.median, metric.decimals) for of, metric in columns)],
        ["quartiles", *(_range(of.quartiles, metric) for of, metric in columns)],
        ["range", *(_range((of.minimum, of.maximum), metric) for of, metric in columns)],
        ["failures (Dice < 0.1)", str(summary.failures), *("" for _ in columns[1:])],
    ]
    spread = {"95 % interval", "SD", "median", "quartiles", "range"}
    several = any(of.n > 1 for of, _ in columns)
    return [row for row in rows if several or row[0] not in spread]


def _show_comparison(comparison: Comparison, metrics: tuple[Metric, ...]) -> None:
    names = shown_names(comparison.labels)
    rows = []
    for label in comparison.labels:
        for metric in metrics:
            test = label.metrics.get(metric.key)
            if test is not None:
                rows.append(
                    [
                        f"{names[label.label]}: {metric.title}",
                        str(test.n),
                        format_number(test.mean, metric.decimals),
                        format_number(test.other_mean, metric.decimals),
                        format_number(test.mean_difference, metric.decimals),
                        _range(test.interval, metric),
                        format_p(test.t_p),
                        format_p(test.t_p_holm),
                        format_p(test.wilcoxon_p),
                        format_p(test.wilcoxon_p_holm),
                        test.wilcoxon_method,
                        format_number(test.effect_size, 2),
                    ]
                )
    columns, rows = without_empty_columns(COMPARISON_COLUMNS, rows)
    show_table(f"Compared with {comparison.other}", columns, rows)
    say(comparison_method(comparison))


def _range(ends: tuple[float, float], metric: Metric) -> str:
    return format_range(ends, metric.decimals)
