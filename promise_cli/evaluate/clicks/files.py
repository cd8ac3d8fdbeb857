"""Output of a study: tables on the screen, and the files clicks.json, clicks.csv, clicks.md and report.html."""

import csv
import io
import re
from pathlib import Path

from promise_cli.console import say, show_table
from promise_cli.disk.atomic import write_text
from promise_cli.disk.records import load_json, save_record
from promise_cli.errors import EvaluationError, listed
from promise_cli.evaluate.clicks.page import GENERATOR, render_clicks
from promise_cli.evaluate.clicks.study_record import ClickCurve, ClickStudy
from promise_cli.scores import claim_folder, generator_mark, results_written
from promise_cli.scores.folder import METHOD, TOOL, Marks
from promise_cli.scores.markdown import escape, make_table
from promise_cli.scores.statistics import format_number

PLACES = 3
"""Decimal places of a score in a table."""
STUDY_FILE = "clicks.json"
FIRST_COLUMNS = ("case_id", "strategy", "trial", "clicks", "dice")
MARKS: Marks = {
    STUDY_FILE: TOOL,
    "clicks.csv": re.compile(rf"\A{','.join(FIRST_COLUMNS)},"),
    "clicks.md": METHOD,
    "report.html": generator_mark(GENERATOR),
}
"""Marks by which the files of an earlier study are recognised."""
FILES = tuple(MARKS)


def claim_output(folder: Path, dataset: str) -> str | None:
    """Check, before anything is predicted, that a study can be written into a folder.

    Returns:
        The time at which the earlier study of this dataset was made, which will be replaced; None if there is none.

    Raises:
        EvaluationError: The folder cannot be written to. Or it holds files with these names that belong to no study,
            or a study of another dataset.
    """
    claim_folder(folder, MARKS, FILES, "promise-evaluate --clicks")
    path = folder / STUDY_FILE
    if not path.exists():
        return None
    earlier = load_json(path)
    found = earlier.get("dataset") if isinstance(earlier, dict) else None
    if found != dataset:
        raise EvaluationError(
            f"{path}: is a study of {found}, but this is one of {dataset}; name another folder with -o"
        )
    return str(earlier.get("created"))


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
    """Print the scores against clicks, and for each strategy the area under the curve and the clicks needed."""
    cases = len({trial.case_id for trial in study.trials})
    show_table(
        f"{study.dataset}, fold {study.fold}: {cases} test cases, {study.num_trials} trials each",
        _header(study),
        [row for curve in study.curves for row in _rows(curve)],
    )
    for curve in study.curves:
        say(f"{curve.strategy}: {_sums(curve)}")
    if study.without_target:
        say(f"left out, since they do not hold the target: {listed(study.without_target)}")
    tolerances = ", ".join(f"{tolerance:g}" for tolerance in study.tolerances_mm)
    say(
        f"protocol {study.protocol}: NSD at a tolerance of {tolerances} mm; seed {study.seed}; {study.windows}"
    )
    say(f"written into {folder}: {', '.join(FILES)}")


def to_csv(study: ClickStudy) -> str:
    """Return the text of `clicks.csv`: one row for each case, strategy, trial and number of clicks."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        [*FIRST_COLUMNS]
        + [f"nsd_{tolerance}mm" for tolerance in study.tolerances_mm]
        + ["prediction_voxels", "outside_window", "protocol"]
    )
    for trial in study.trials:
        for score in trial.scores:
            table.writerow(
                [trial.case_id, trial.strategy, trial.trial, score.clicks, repr(score.dice)]
                + [repr(value) for value in score.nsd.values()]
                + [score.prediction_voxels, score.outside_window, study.protocol]
            )
    return text.getvalue()


def to_markdown(study: ClickStudy) -> str:
    """Return the text of `clicks.md`: the table of the screen, for a paper."""
    header = _header(study)
    rows = [row for curve in study.curves for row in _rows(curve)]
    cases = len({trial.case_id for trial in study.trials})
    notes = [f"{curve.strategy}: {_sums(curve)}." for curve in study.curves]
    if study.without_target:
        left_out = ", ".join(map(escape, study.without_target))
        notes.append(f"Left out, since they do not hold the target: {left_out}.")
    tolerances = ", ".join(f"{tolerance:g}" for tolerance in study.tolerances_mm)
    method = (
        f"{study.tool}, protocol {study.protocol}: NSD at {tolerances} mm; {cases} test cases of fold {study.fold} of"
        f" {escape(study.dataset)}, {study.num_trials} trials each,"
        f" seed {study.seed}, {study.windows}. A case counts once, with the mean over its trials. The interval is"
        " that of the mean over cases, by the bootstrap. The column within is the mean over"
        " cases of the SD over trials."
    )
    title = f"# Clicks on {escape(study.dataset)}"
    return "\n\n".join([title, make_table(header, rows, left=1), *notes, method]) + "\n"


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
                f"{format_number(of.mean, PLACES)} ± {format_number(of.sd, PLACES)}",
                f"{format_number(of.interval[0], PLACES)} to {format_number(of.interval[1], PLACES)}",
                format_number(within, PLACES),
            ]
        rows.append(row)
    return rows


def _sums(curve: ClickCurve) -> str:
    """Describe the area under the curve (AUC) and the clicks needed (NoC) in words."""
    areas = [f"AUC Dice {format_number(curve.auc_dice.mean, PLACES)}"]
    areas += [
        f"NSD {float(key):g} mm {format_number(of.mean, PLACES)}"
        for key, of in curve.auc_nsd.items()
    ]
    needed = [
        f"NoC@{round(100 * need.dice)} {format_number(need.mean, 2)} ({need.failures} of {need.trials} never)"
        for need in curve.clicks_needed
    ]
    among = curve.clicks_needed[0].among
    every = among == tuple(range(1, among[-1] + 1))
    tried = f"NoC among {f'1 to {among[-1]}' if every else ', '.join(map(str, among))} clicks"
    return "; ".join([*areas, *needed, tried])
