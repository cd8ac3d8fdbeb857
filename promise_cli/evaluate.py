"""COMMAND  masks + labels -> Dice and NSD per case and in summary.

Neither torch nor MONAI is loaded here.
"""

import math
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from promise_cli.console import say, show_table, track
from promise_cli.errors import EvaluationError
from promise_cli.pairs import missing_error, pair_cases
from promise_cli.scores import CaseScore, LabelSummary, Report, summarize, write_report
from promise_cli.scoring import EmptyPolicy, MissingPolicy, Rules, complete_labels, score_cases
from promise_cli.workspace import open_workspace

Protocol = Literal["promise", "msd"]

PROMISE_TOLERANCES_MM = (5.0,)
"""The test scripts of ProMISe and 3DSAM-adapter take 5 mm for every dataset."""
MSD_TOLERANCES_MM = {(3, "liver"): 7.0, (7, "pancreas"): 5.0, (10, "colon"): 4.0}
"""Antonelli et al. 2022; the other seven tasks wait for a source."""


def evaluate(
    predictions: Path | None = None,
    labels: Path | None = None,
    *,
    root: Path | None = None,
    output: Path | None = None,
    tolerances_mm: Sequence[float] | None = None,
    protocol: Protocol = "promise",
    empty: EmptyPolicy = "nan",
    missing: MissingPolicy = "error",
    workers: int | None = None,
) -> Report:
    """Score predictions against labels and write metrics.json and metrics.csv.

    Args:
        predictions: Folder of masks, one mask, or an MSD folder; None: the newest under the root.
        labels: The same for the labels; None: those that predictions.json names.
        root: Workspace; None: $PROMISE_ROOT, else the current folder.
        output: Folder of the results; None: that of the predictions.
        tolerances_mm: Of NSD; None: the protocol's.
        protocol: `promise`: 5 mm for every dataset; `msd`: the task's own tolerance.
        empty: What a metric is where both masks are empty.
        missing: What becomes of a case without prediction.
        workers: Processes; 0 works in this one, None takes one a core where much is to do.

    Raises:
        EvaluationError: Predictions and labels cannot be compared.
        WorkspaceError: There is nothing to evaluate.
        VolumeError: A file is damaged or holds no label.
    """
    pairing = pair_cases(predictions, labels, open_workspace(root))
    tolerances = choose_tolerances(protocol, tolerances_mm, pairing.dataset)
    lacking = missing_error(pairing)
    if lacking is not None and missing == "error":
        raise lacking
    folder = output or pairing.folder
    if folder.exists() and not folder.is_dir():
        raise EvaluationError(f"{folder}: results need a folder, found a file; give another -o")
    rules = Rules(
        targets=pairing.targets,
        whole_label=pairing.whole_label,
        tolerances_mm=tolerances,
        empty=empty,
        missing=missing,
    )
    found = score_cases(pairing.pairs, rules, workers)
    cases = complete_labels(list(track(found, "scoring", len(pairing.pairs))), rules)
    report = Report(
        command=" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=pairing.dataset,
        predictions=str(pairing.predictions),
        labels=str(pairing.labels),
        output=str(folder),
        protocol=protocol,
        tolerances_mm=tolerances,
        empty_policy=empty,
        empty_cases=sum(case.status == "both_empty" for case in cases),
        missing_policy=missing,
        missing_cases=sum(pair.prediction is None for pair in pairing.pairs),
        notes=pairing.notes,
        summary=summarize(cases),
        cases=tuple(cases),
    )
    write_report(report, folder)
    return report


def choose_tolerances(
    protocol: Protocol, asked: Sequence[float] | None, dataset: str | None
) -> tuple[float, ...]:
    """The tolerances in mm, ascending, that a protocol or the user asks for.

    Raises:
        EvaluationError: A tolerance is no length, or the protocol has none for this dataset.
    """
    if protocol == "msd":
        if asked:
            raise EvaluationError("--protocol msd sets the tolerance itself; leave out --tolerance")
        return (_msd_tolerance(dataset),)
    for tolerance in asked or ():
        if not 0 <= tolerance < math.inf:
            raise EvaluationError(f"--tolerance {tolerance:g}: use a length in mm, 0 or more")
    return tuple(sorted({float(tolerance) for tolerance in asked or PROMISE_TOLERANCES_MM}))


def show_report(report: Report) -> None:
    """Print the scores of each case, the summary, and by which rules they came about."""
    for note in report.notes:
        say(note)
    metrics = ["Dice", *(f"NSD {tolerance:g} mm" for tolerance in report.tolerances_mm)]
    several = len(report.summary.labels) > 1
    show_table(
        "Cases",
        ["case", *(["label"] if several else []), *metrics, "label ml", "mask ml", "status"],
        [_case_row(case, several) for case in report.cases],
    )
    for summary in (*report.summary.labels, *([report.summary.overall] if several else [])):
        show_table(f"Summary: {summary.name}", ["", *metrics], _summary_rows(summary))
    tolerances = ", ".join(f"{tolerance:g}" for tolerance in report.tolerances_mm)
    say(f"protocol {report.protocol}: NSD at a tolerance of {tolerances} mm")
    say(
        f"both masks empty: --empty {report.empty_policy}, which touched {report.empty_cases} of"
        f" {len(report.cases)} scores"
    )
    if report.missing_cases:
        say(
            f"prediction missing: --missing {report.missing_policy}, which touched"
            f" {report.missing_cases} cases"
        )
    say(f"written: {Path(report.output) / 'metrics.json'} and metrics.csv")


def _msd_tolerance(dataset: str | None) -> float:
    match = re.fullmatch(r"(?:Task|Dataset)0*(\d+)_(\w+)", dataset or "", re.IGNORECASE)
    task = (int(match.group(1)), match.group(2).lower()) if match else None
    if task in MSD_TOLERANCES_MM:
        return MSD_TOLERANCES_MM[task]
    known = ", ".join(
        f"Task{number:02d}_{name.capitalize()} {tolerance:g} mm"
        for (number, name), tolerance in MSD_TOLERANCES_MM.items()
    )
    raise EvaluationError(
        f"--protocol msd: no tolerance with a source for {dataset or 'a dataset without a name'};"
        f" known are {known}; use --tolerance"
    )


def _case_row(case: CaseScore, several: bool) -> list[str]:
    return [
        case.case_id,
        *([case.name] if several else []),
        *(_number(value) for value in (case.dice, *case.nsd.values())),
        f"{case.reference_ml:.2f}",
        f"{case.prediction_ml:.2f}",
        case.status.replace("_", " "),
    ]


def _summary_rows(summary: LabelSummary) -> list[list[str]]:
    """One row a statistic, one column a metric."""
    metrics = (summary.dice, *summary.nsd.values())
    return [
        ["cases", *(str(metric.n) for metric in metrics)],
        ["without a value", *(str(metric.excluded) for metric in metrics)],
        ["mean", *(_number(metric.mean) for metric in metrics)],
        ["95 % interval", *(_range(metric.interval) for metric in metrics)],
        ["SD", *(_number(metric.sd) for metric in metrics)],
        ["median", *(_number(metric.median) for metric in metrics)],
        ["quartiles", *(_range(metric.quartiles) for metric in metrics)],
        ["range", *(_range((metric.minimum, metric.maximum)) for metric in metrics)],
        ["failures (Dice < 0.1)", str(summary.failures), *("" for _ in summary.nsd)],
    ]


def _range(ends: tuple[float, float]) -> str:
    return f"{_number(ends[0])} - {_number(ends[1])}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
