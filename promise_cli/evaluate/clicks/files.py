"""Output of a study: tables on the screen, and the files clicks.json, clicks.csv, clicks.md and report.html."""

import csv
import io
import math
from pathlib import Path

from promise_cli.console import counted, say, show_table
from promise_cli.disk.atomic import write_text
from promise_cli.disk.records import load_json, save_record
from promise_cli.errors import EvaluationError, listed, shorten
from promise_cli.evaluate.clicks.page import render_clicks
from promise_cli.evaluate.clicks.study_record import ClickCurve, ClickStudy
from promise_cli.scores import claim_folder, results_written
from promise_cli.scores.markdown import escape, make_table, without_empty_columns
from promise_cli.scores.statistics import format_number, format_range, format_spread
from promise_cli.scores.study_files import FIRST_COLUMNS, STUDY_FILE, STUDY_MARKS

PLACES = 3
"""Decimal places of a score in a table."""
FILES = tuple(STUDY_MARKS)


def claim_output(folder: Path, dataset: str, *, overwrite: bool) -> str | None:
    """Check, before anything is predicted, that a study can be written into a folder.

    Args:
        folder: Folder of the results.
        dataset: Name of the dataset of this study.
        overwrite: Whether an earlier study of this dataset may be replaced.

    Returns:
        The time at which the earlier study was made, which will be replaced; None if there is none.

    Raises:
        EvaluationError: The folder cannot be written to. Or it holds files with these names that belong to no study,
            a study of another dataset, or one that may not be replaced.
    """
    claim_folder(folder, STUDY_MARKS, FILES, "promise-evaluate --clicks")
    path = folder / STUDY_FILE
    if not path.exists():
        return None
    earlier = load_json(path)
    found = earlier.get("dataset") if isinstance(earlier, dict) else None
    if found != dataset:
        raise EvaluationError(
            f"{path}: is a study of {shorten(str(found))}, but this is one of {dataset}; name another folder with -o"
        )
    created = shorten(str(earlier.get("created")))
    if not overwrite:
        raise EvaluationError(
            f"{path}: a study of {created} exists already; name another folder with -o, or add --overwrite to replace"
            " it"
        )
    return created


def write_study(study: ClickStudy, folder: Path) -> None:
    """Write all files of a study, each whole or not at all.

    Raises:
        EvaluationError: The folder cannot be written to.
    """
    with results_written(folder):
        write_text(folder / "clicks.csv", to_csv(study))
        write_text(folder / "clicks.md", to_markdown(study))
        write_text(folder / "report.html", render_clicks(study))
        save_record(study, folder / STUDY_FILE)


def show_study(study: ClickStudy, folder: Path) -> None:
    """Print the scores against clicks, and for each curve the area under it and the clicks needed."""
    cases = len({trial.case_id for trial in study.trials})
    show_table(
        f"{study.dataset}, fold {study.fold}: {counted(cases, 'test case')}, {counted(study.num_trials, 'trial')} each",
        *_table(study),
    )
    for curve in study.curves:
        if sums := _sums(curve):
            say(f"{curve.name}: {sums}")
    if study.without_target:
        say(f"left out, since they do not hold the target: {listed(study.without_target)}")
    if study.never_held:
        say(f"no test case holds {listed(study.never_held)}")
    tolerances = ", ".join(f"{tolerance:g}" for tolerance in study.tolerances_mm)
    say(
        f"protocol {study.protocol}: NSD at a tolerance of {tolerances} mm; seed {study.seed}; {study.windows}"
    )
    say(f"written into {folder}: {', '.join(FILES)}")


def to_csv(study: ClickStudy) -> str:
    """Return the text of `clicks.csv`: one row for each case, object, strategy, trial and number of clicks."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        [*FIRST_COLUMNS]
        + [f"nsd_{tolerance}mm" for tolerance in study.tolerances_mm]
        + ["prediction_voxels", "outside_window", "protocol"]
        + (["object"] if study.objects else [])
    )
    for trial in study.trials:
        for score in trial.scores:
            table.writerow(
                [trial.case_id, trial.strategy, trial.trial, score.clicks, repr(score.dice)]
                + [repr(value) for value in score.nsd.values()]
                + [score.prediction_voxels, score.outside_window, study.protocol]
                + ([trial.object] if study.objects else [])
            )
    return text.getvalue()


def to_markdown(study: ClickStudy) -> str:
    """Return the text of `clicks.md`: the table of the screen, for a paper."""
    header, rows = _table(study)
    cases = len({trial.case_id for trial in study.trials})
    notes = [f"{_escaped(curve)}: {sums}." for curve in study.curves if (sums := _sums(curve))]
    if study.without_target:
        left_out = ", ".join(map(escape, study.without_target))
        notes.append(f"Left out, since they do not hold the target: {left_out}.")
    if study.never_held:
        notes.append(f"No test case holds {', '.join(map(escape, study.never_held))}.")
    tolerances = ", ".join(f"{tolerance:g}" for tolerance in study.tolerances_mm)
    method = (
        f"{study.tool}, protocol {study.protocol}: NSD at {tolerances} mm; {counted(cases, 'test case')} of fold"
        f" {study.fold} of {escape(study.dataset)}, {counted(study.num_trials, 'trial')} each,"
        f" seed {study.seed}, {study.windows}."
        + (" The interval is that of the mean over cases, by the bootstrap." if cases > 1 else "")
        + (
            " A case counts once, with the mean over its trials. The column within is the mean over cases of the SD"
            " over trials."
            if study.num_trials > 1
            else ""
        )
    )
    title, left = f"# Clicks on {escape(study.dataset)}", 2 if study.objects else 1
    if study.objects:
        rows = [[escape(row[0]), *row[1:]] for row in rows]
    return "\n\n".join([title, make_table(header, rows, left=left), *notes, method]) + "\n"


def _escaped(curve: ClickCurve) -> str:
    return f"{escape(curve.object)}, {curve.strategy}" if curve.object else curve.strategy


def _table(study: ClickStudy) -> tuple[list[str], list[list[str]]]:
    """Return header and rows. Intervals are left out if there is one case, and spreads within cases for one trial."""
    rows = [row for curve in study.curves for row in _rows(curve)]
    header = _header(study)
    if study.objects:
        header = ["object", *header]
        rows = [[curve.object, *row] for curve in study.curves for row in _rows(curve)]
    return without_empty_columns(header, rows)


def _header(study: ClickStudy) -> list[str]:
    metrics = ["Dice", *(f"NSD {tolerance:g} mm" for tolerance in study.tolerances_mm)]
    columns = [f"{name}{what}" for name in metrics for what in ("", " 95 %", " within")]
    return ["strategy", "clicks", *columns]


def _rows(curve: ClickCurve) -> list[list[str]]:
    rows = []
    for point in curve.points:
        row = [curve.strategy, str(point.clicks)]
        spreads = (point.dice_sd_within, *point.nsd_sd_within.values())
        for of, within in zip((point.dice, *point.nsd.values()), spreads, strict=True):
            row += [
                format_spread(of.mean, of.sd, PLACES),
                format_range(of.interval, PLACES),
                format_number(within, PLACES),
            ]
        rows.append(row)
    return rows


def _sums(curve: ClickCurve) -> str:
    """Describe the area under the curve (AUC) and the clicks needed (NoC) in words; empty for one number of clicks."""
    parts = []
    if not math.isnan(curve.auc_dice.mean):
        parts = [f"AUC Dice {format_number(curve.auc_dice.mean, PLACES)}"]
        parts += [
            f"NSD {float(key):g} mm {format_number(of.mean, PLACES)}"
            for key, of in curve.auc_nsd.items()
        ]
    among = curve.clicks_needed[0].among
    if len(among) > 1:
        parts += [
            f"NoC@{round(100 * need.dice)} {format_number(need.mean, 2)} ({need.failures} of {need.trials} never)"
            for need in curve.clicks_needed
        ]
        every = among == tuple(range(1, among[-1] + 1))
        parts += [
            f"NoC among {f'1 to {among[-1]}' if every else ', '.join(map(str, among))} clicks"
        ]
    return "; ".join(parts)
