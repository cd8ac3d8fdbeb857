"""Files that an evaluation writes: metrics.json, metrics.csv, metrics.md, and nnU-Net's summary.json."""

import csv
import io
import json
import math
import re
from pathlib import Path

from promise_cli.disk.atomic import write_text
from promise_cli.disk.ours import Marks
from promise_cli.disk.records import save_record
from promise_cli.scores.folder import METHOD, TOOL, results_written
from promise_cli.scores.markdown import to_markdown
from promise_cli.scores.metric import metrics_of, values_of
from promise_cli.scores.nnunet import NNUNET_FILE, Files, to_nnunet
from promise_cli.scores.score_record import MARKDOWN_FILE, METRICS_FILE, TABLE_FILE, Report

FIRST_COLUMNS = ("case_id", "label", "name", "status")
MARKS: Marks = {
    METRICS_FILE: TOOL,
    TABLE_FILE: re.compile(rf"\A{','.join(FIRST_COLUMNS)},dice,"),
    MARKDOWN_FILE: METHOD,
    NNUNET_FILE: TOOL,
}
"""Marks by which the files of an earlier evaluation are recognised."""


def write_report(report: Report, folder: Path, nnunet_files: Files | None = None) -> None:
    """Write metrics.json, metrics.csv and metrics.md, each whole or not at all.

    Args:
        report: All scores.
        folder: Folder of the results, which is created if it is missing.
        nnunet_files: Prediction and label of each case. If they are given, nnU-Net's summary.json is written too.

    Raises:
        EvaluationError: The folder cannot be written to.
    """
    with results_written(folder):
        write_text(folder / TABLE_FILE, to_csv(report))
        write_text(folder / MARKDOWN_FILE, to_markdown(report))
        if nnunet_files is not None:
            text = json.dumps(to_nnunet(report, nnunet_files), indent=4)
            write_text(folder / NNUNET_FILE, text + "\n")
        save_record(report, folder / METRICS_FILE)


def report_files(*, nnunet: bool) -> tuple[str, ...]:
    """Return the names of the files that `write_report` writes."""
    return (METRICS_FILE, TABLE_FILE, MARKDOWN_FILE, *([NNUNET_FILE] if nnunet else []))


def to_csv(report: Report) -> str:
    """Return the text of `metrics.csv`: one row for each case and label, with the protocol and policies in each row.

    A value that does not exist is an empty cell.
    """
    cases = report.cases
    rules = (report.protocol, report.empty_policy, report.missing_policy)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        [*FIRST_COLUMNS]
        + [metric.key for metric in metrics_of(cases[0])]
        + ["reference_voxels", "prediction_voxels", "reference_ml", "prediction_ml"]
        + ["protocol", "empty_policy", "missing_policy"]
    )
    for case in cases:
        table.writerow(
            [case.case_id, case.label, case.name, case.status]
            + ["" if math.isnan(value) else repr(value) for value in values_of(case).values()]
            + [case.reference_voxels, case.prediction_voxels, case.reference_ml, case.prediction_ml]
            + [*rules]
        )
    return text.getvalue()
