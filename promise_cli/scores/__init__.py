"""Scores of cases, their statistics, the comparison of two sets of scores, and the files that hold all of these."""

from promise_cli.scores.compare import compare, notes_of_comparison, scores_by_case
from promise_cli.scores.comparison import Comparison, LabelComparison, MetricComparison
from promise_cli.scores.earlier import read_case_scores, read_scores, refuse_other_labels
from promise_cli.scores.files import MARKS, report_files, write_report
from promise_cli.scores.folder import (
    claim_folder,
    results_written,
    set_aside,
)
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
from promise_cli.scores.nnunet import NNUNET_FILE
from promise_cli.scores.score_record import (
    FAILURE_DICE,
    METRICS_FILE,
    CaseScore,
    LabelSummary,
    Report,
    Status,
    Summary,
    typed_command,
)
from promise_cli.scores.study_files import has_study, remove_study
from promise_cli.scores.summarize import summarize
from promise_cli.scores.table import show_report

__all__ = [
    "FAILURE_DICE",
    "FURTHER_METRICS",
    "MARKS",
    "METRICS_FILE",
    "NNUNET_FILE",
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
    "claim_folder",
    "compare",
    "has_study",
    "metrics_of",
    "notes_of_comparison",
    "read_case_scores",
    "read_scores",
    "refuse_other_labels",
    "remove_study",
    "report_files",
    "results_written",
    "scores_by_case",
    "set_aside",
    "show_report",
    "shown_names",
    "statistics_of",
    "summarize",
    "typed_command",
    "values_of",
    "write_report",
]
