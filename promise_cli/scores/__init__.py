"""Scores per case, their statistics, the comparison of two sets, and the files that hold them."""

from promise_cli.scores.compare import (
    PairedScores,
    compare,
    notes_of_comparison,
    read_scores,
    scores_by_case,
)
from promise_cli.scores.comparison import Comparison, LabelComparison, MetricComparison
from promise_cli.scores.files import report_files, write_report
from promise_cli.scores.metric import (
    FURTHER_METRICS,
    FurtherMetric,
    Metric,
    metrics_of,
    statistics_of,
    values_of,
)
from promise_cli.scores.nnunet import refuse_foreign_summary
from promise_cli.scores.record import (
    FAILURE_DICE,
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
    "notes_of_comparison",
    "read_scores",
    "refuse_foreign_summary",
    "report_files",
    "scores_by_case",
    "show_report",
    "statistics_of",
    "summarize",
    "values_of",
    "write_report",
]
