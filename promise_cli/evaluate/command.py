"""COMMAND  masks + labels -> Dice and NSD per case and in summary.

Neither torch nor MONAI is loaded here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from promise_cli.console import track
from promise_cli.disk.workspace import open_workspace
from promise_cli.errors import EvaluationError
from promise_cli.evaluate import (
    EmptyPolicy,
    MissingPolicy,
    Rules,
    complete_labels,
    notes_of_labels,
    picture_cases,
    record_of,
    refuse_absent_target,
    refuse_nothing_left,
    score_cases,
    score_other,
)
from promise_cli.predictions.pairs import Pairing, missing_error, pair_cases
from promise_cli.report import PAGE, refuse_foreign_page, remove_stale_page, write_evaluation
from promise_cli.scores import (
    FURTHER_METRICS,
    MARKS,
    NNUNET_FILE,
    FurtherMetric,
    Report,
    claim_folder,
    compare,
    notes_of_comparison,
    remove_stale,
    report_files,
    show_report,
    summarize,
    typed_command,
    write_report,
)
from promise_cli.scores.tolerances import Protocol, choose_tolerances

__all__ = ["choose_tolerances", "evaluate", "show_report"]


def evaluate(
    predictions: Path | None = None,
    labels: Path | None = None,
    *,
    root: Path | None = None,
    output: Path | None = None,
    tolerances_mm: Sequence[float] | None = None,
    protocol: Protocol = "promise",
    metrics: Sequence[FurtherMetric | Literal["all"]] = (),
    empty: EmptyPolicy = "nan",
    missing: MissingPolicy = "error",
    compare_with: Path | None = None,
    nnunet: bool = False,
    page: bool = True,
    workers: int | None = None,
) -> Report:
    """Score predictions against labels; write metrics.json, metrics.csv, metrics.md and report.html.

    Args:
        predictions: Folder of masks, one mask, or an MSD folder; None: the newest under the root.
        labels: Folder or file of the labels; None: those that predictions.json names.
        root: Workspace; None: $PROMISE_ROOT, else the current folder.
        output: Folder of the results; None: that of the predictions.
        tolerances_mm: Tolerances of NSD; None: that of the protocol.
        protocol: `promise`: 5 mm for every dataset; `msd`: the task's own tolerance.
        metrics: Metrics to compute besides Dice and NSD.
        empty: What a metric is where both masks are empty.
        missing: What becomes of a case without prediction.
        compare_with: Other predictions of the same cases, or the metrics.json of such.
        nnunet: Write nnU-Net's summary.json too.
        page: Write report.html, for which the scans of the worst cases are read.
        workers: Processes; 0 works in this one, None takes one a core where much is to do.

    Raises:
        EvaluationError: Predictions and labels cannot be compared.
        WorkspaceError: There is nothing to evaluate.
        VolumeError: A file is damaged or holds no label.
    """
    workspace = open_workspace(root)
    pairing = pair_cases(predictions, labels, workspace, may_lack=missing != "error")
    rules = Rules(
        targets=pairing.targets,
        whole_label=pairing.whole_label,
        ignored=pairing.ignored,
        tolerances_mm=choose_tolerances(protocol, tolerances_mm, pairing.dataset),
        empty=empty,
        missing=missing,
        further=tuple(name for name in FURTHER_METRICS if name in metrics or "all" in metrics),
    )
    lacking = missing_error(pairing)
    if lacking is not None and missing == "error":
        raise lacking
    refuse_nothing_left(pairing, rules)
    folder = output or pairing.folder
    _refuse_unwritable(pairing, [folder, *([compare_with] if compare_with else [])])
    claim_folder(folder, MARKS, report_files(nnunet=nnunet))
    if page:
        refuse_foreign_page(folder)
    other, notes_of_other = (
        (None, ())
        if compare_with is None
        else score_other(compare_with, pairing, rules, workspace, workers)
    )
    scored = list(track(score_cases(pairing.pairs, rules, workers), "scoring", len(pairing.pairs)))
    refuse_absent_target(scored, pairing)
    cases = complete_labels(scored, rules)
    comparison = None if other is None else compare(cases, other, str(compare_with))
    report = Report(
        command=typed_command(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=pairing.dataset,
        predictions=str(pairing.predictions),
        labels=str(pairing.labels),
        output=str(folder),
        files=(*report_files(nnunet=nnunet), *([PAGE] if page else [])),
        protocol=protocol,
        tolerances_mm=rules.tolerances_mm,
        empty_policy=empty,
        empty_cases=sum(case.status == "both_empty" for case in cases),
        missing_policy=missing,
        missing_cases=sum(pair.prediction is None for pair in pairing.pairs),
        notes=(
            *pairing.notes,
            *notes_of_labels(scored),
            *notes_of_other,
            *([] if comparison is None else notes_of_comparison(comparison)),
        ),
        summary=summarize(cases),
        comparison=comparison,
        cases=tuple(cases),
    )
    _write(report, pairing, folder, nnunet=nnunet, page=page)
    return report


def _refuse_unwritable(pairing: Pairing, places: Sequence[Path]) -> None:
    """Refuse names that are no Unicode text, which no file of results can hold."""
    names = [pairing.predictions, pairing.labels, *places, *pairing.notes]
    for pair in pairing.pairs:
        names += [pair.prediction or pair.label, pair.label, pair.case_id]
    names += [target.name for target in pairing.targets or ()]
    for name in map(str, (*names, pairing.dataset)):
        try:
            name.encode()
        except UnicodeEncodeError:
            raise EvaluationError(
                f"{name!r}: holds what is no UTF-8, so results cannot name it; rename it"
            ) from None


def _write(report: Report, pairing: Pairing, folder: Path, *, nnunet: bool, page: bool) -> None:
    """Write all files, after removing those of an earlier evaluation that would not fit the new numbers."""
    remove_stale_page(folder)
    if not nnunet:
        remove_stale(folder, MARKS, [NNUNET_FILE])
    files = {pair.case_id: (pair.prediction, pair.label) for pair in pairing.pairs}
    write_report(report, folder, files if nnunet else None)
    if page:
        record = record_of(pairing)
        write_evaluation(report, picture_cases(pairing, report.cases, record), folder, record)
