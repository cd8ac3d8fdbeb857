"""Scores per case, their statistics, the comparison of two sets, and the files that hold them."""

from promise_cli.scores.compare import compare, scores_by_case
from promise_cli.scores.comparison import Comparison, LabelComparison, MetricComparison
from promise_cli.scores.earlier import read_scores
from promise_cli.scores.files import report_files, write_report
from promise_cli.scores.metric import (
    FURTHER_METRICS,
    FurtherMetric,
    Metric,
    PairedScores,
    metrics_of,
    shown_names,
    statistics_of,
    values_of,
)
from promise_cli.scores.nnunet import refuse_foreign_summary
from promise_cli.scores.record import (
    FAILURE_DICE,
    METRICS_FILE,
    CaseScore,
    LabelSummary,
    Report,
    Status,
    Summary,
)
from promise_cli.scores.summarize import summarize
from promise_cli.scores.table import show_report

__all__ = [
    "FAILURE_DICE",
    "FURTHER_METRICS",
    "METRICS_FILE",
    "CaseScore",
    "Comparison",
    "FurtherMetric",
    "LabelComparison",
    "LabelSummary",
    "Metric",
    "MetricComparison",
    "PairedScores",
    "Report",
    "Status",
    "Summary",
    "compare",
    "metrics_of",
    "read_scores",
    "refuse_foreign_summary",
    "report_files",
    "scores_by_case",
    "show_report",
    "shown_names",
    "statistics_of",
    "summarize",
    "values_of",
    "write_report",
]
