"""The command promise-evaluate: score masks against labels, and report Dice and NSD of each case and in summary.

This module loads neither torch nor MONAI.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from promise_cli.console import counted, say, track
from promise_cli.disk.atomic import remove_leftovers
from promise_cli.disk.ours import is_marked, remove_marked
from promise_cli.disk.workspace import open_workspace
from promise_cli.errors import EvaluationError
from promise_cli.evaluate import (
    EmptyPolicy,
    MissingPolicy,
    Rules,
    complete_labels,
    find_doubts,
    notes_of_labels,
    picture_cases,
    record_of,
    refuse_missing_target,
    refuse_nothing_left,
    score_cases,
    score_other,
    scores_file,
    with_clicks,
)
from promise_cli.evaluate.score_case import ScoredCase
from promise_cli.jobs import stop_says
from promise_cli.predictions.pairs import Pairing, missing_error, pair_cases
from promise_cli.predictions.record import Predictions
from promise_cli.report import PAGE, refuse_foreign_page, remove_stale_page, write_evaluation
from promise_cli.scores import (
    FURTHER_METRICS,
    MARKS,
    METRICS_FILE,
    NNUNET_FILE,
    FurtherMetric,
    Report,
    claim_folder,
    compare,
    notes_of_comparison,
    refuse_other_labels,
    report_files,
    show_report,
    summarize,
    typed_command,
    write_report,
)
from promise_cli.scores.tolerances import Protocol, choose_tolerances

_ANEW = (
    "scores are written when all cases are done, so run the same command again from the beginning"
)
"""End of the message of a command that is stopped while it scores."""

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
    picture_channel: int = 1,
    workers: int | None = None,
) -> Report:
    """Score predictions against labels; write metrics.json, metrics.csv, metrics.md and report.html.

    Args:
        predictions: Folder of masks, one mask, or an MSD folder; None: the newest predictions under the root.
        labels: Folder of labels, one label file, or an MSD folder; None: those that predictions.json names.
        root: Folder of the workspace; None: $PROMISE_ROOT, otherwise the current folder.
        output: Folder of the results; None: that of the predictions.
        tolerances_mm: Tolerances of NSD in mm; None: that of the protocol.
        protocol: `promise` uses 5 mm for every dataset, `msd` the task's own tolerance.
        metrics: Metrics to compute besides Dice and NSD.
        empty: Value of Dice and NSD where both masks are empty: `nan`, `one` or `zero`.
        missing: What to do with a case without a prediction: `error`, `zero` (Dice and NSD are 0) or `skip`.
        compare_with: Other predictions of the same cases, or the metrics.json of their evaluation.
        nnunet: Whether to write nnU-Net's summary.json too.
        page: Whether to write report.html. The scans of the cases that it shows are read for it.
        picture_channel: Channel of the scans that its pictures show, counted from 1.
        workers: Number of processes. 0 works in this process. None starts one for each core if much is left to do.

    Returns:
        The content of metrics.json.

    Raises:
        EvaluationError: Predictions and labels cannot be compared.
        WorkspaceError: There is nothing to evaluate.
        VolumeError: A file is damaged, or is not a label file.
    """
    workspace = open_workspace(root)
    pairing = pair_cases(predictions, labels, workspace, may_lack=missing != "error")
    record = record_of(pairing)
    pairing = with_clicks(pairing, record)
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
    scored: list[ScoredCase] = []
    number = len(pairing.pairs)
    with stop_says(lambda: f"{len(scored)} of {counted(number, 'case', 'were')} scored; {_ANEW}"):
        scored.extend(track(score_cases(pairing.pairs, rules, workers), "scoring", number))
    refuse_missing_target(scored, pairing)
    cases = complete_labels(scored, rules)
    if compare_with is not None and (record_file := scores_file(compare_with)) is not None:
        refuse_other_labels(record_file, cases)
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
        warnings=find_doubts(pairing, record, scored),
        summary=summarize(cases),
        comparison=comparison,
        cases=tuple(cases),
    )
    with stop_says(lambda: f"{folder}: the results are not complete; run the same command again"):
        channel = picture_channel if page else None
        _write(report, pairing, record, folder, nnunet=nnunet, channel=channel)
    return report


def _refuse_unwritable(pairing: Pairing, places: Sequence[Path]) -> None:
    """Refuse names that are not valid Unicode, since no file of results can hold them."""
    names = [pairing.predictions, pairing.labels, *places, *pairing.notes]
    for pair in pairing.pairs:
        names += [pair.prediction or pair.label, pair.label, pair.case_id]
    names += [target.name for target in pairing.targets or ()]
    for name in map(str, (*names, pairing.dataset)):
        try:
            name.encode()
        except UnicodeEncodeError:
            raise EvaluationError(
                f"{name!r}: is not valid UTF-8, so results cannot name it; rename it"
            ) from None


def _write(
    report: Report,
    pairing: Pairing,
    record: Predictions | None,
    folder: Path,
    *,
    nnunet: bool,
    channel: int | None,
) -> None:
    """Write all files, after removing those of an earlier evaluation that would not match the new numbers.

    `channel` is the channel that the page shows, counted from 1. None means that no page is wanted.
    """
    if is_marked(folder / METRICS_FILE, MARKS[METRICS_FILE]):
        say(f"{folder}: replaced the earlier evaluation in {METRICS_FILE}; -o keeps both")
    remove_leftovers(folder)
    remove_stale_page(folder)
    if not nnunet:
        remove_marked(folder, MARKS, [NNUNET_FILE])
    files = {pair.case_id: (pair.prediction, pair.label) for pair in pairing.pairs}
    write_report(report, folder, files if nnunet else None)
    if channel is not None:
        pictures = picture_cases(pairing, report.cases, record, channel)
        write_evaluation(report, pictures, folder, record)
