"""The summary at the end of promise-predict: how clicks were understood, what looks odd, and what is missing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from promise_cli.console import fail, say, show_table, warn
from promise_cli.errors import MOST_LISTED, listed
from promise_cli.predictions.record import FAILURES, RECORD, Failure, PredictedCase

_MOST_NAMES = 5


def show_new(
    folder: Path,
    cases: Sequence[PredictedCase],
    odd: Mapping[str, str],
    notes: Mapping[str, Sequence[str]],
    failures: Sequence[Failure],
) -> None:
    """Show a table of the cases, and a warning for each case that looks odd.

    Args:
        folder: Folder of the masks.
        cases: Cases that this call predicted.
        odd: Question about a click on air or metal, by case id.
        notes: Oddities in the geometry of the scan, by case id.
        failures: Cases without a mask.
    """
    rows = []
    for case in cases:
        click = case.clicks[0] if case.clicks else None
        voxel = ", ".join(str(index) for index in click.voxel) if click else "none"
        place = ", ".join(f"{value:.1f}" for value in click.lps_mm) if click else ""
        rows.append(
            (
                case.case_id,
                f"({voxel})" if click else voxel,
                f"({place})" if click else place,
                f"{click.intensity:g}" if click else "",
                str(len(case.windows)),
                f"{case.volume_ml:.2f}",
                ("yes" if case.holds_its_clicks else "no") if click else "",
            )
        )
    named = [failure.case_id for failure in failures[:MOST_LISTED]]
    if len(failures) > MOST_LISTED:
        named.append(f"and {len(failures) - MOST_LISTED} more")
    rows += [(name, "", "", "", "", "", "no mask") for name in named]
    columns = ("case", "click (i, j, k)", "LPS mm", "intensity", "windows", "ml", "in mask")
    show_table(f"masks in {folder}", columns, rows)
    for case in cases:
        for note in notes.get(case.case_id, ()):
            warn(f"{case.case_id}: {note}")
        _warn(case, odd.get(case.case_id))


def _warn(case: PredictedCase, question: str | None) -> None:
    if question:
        warn(f"{case.case_id}: {question}")
    if case.num_voxels == 0:
        question = "; is the click where it should be?" if case.clicks else ""
        warn(f"{case.case_id}: the mask is empty{question}")
    elif not case.holds_its_clicks:
        warn(f"{case.case_id}: a foreground click lies outside the mask; is it where it should be?")
    if case.clicks_outside_window:
        warn(
            f"{case.case_id}: {case.clicks_outside_window} clicks lie outside the window and were not used"
        )
    if not case.closed:
        warn(
            f"{case.case_id}: after {len(case.windows)} windows the mask still reaches their border; look at it, and"
            " raise --max-windows if the lesion is really that wide"
        )


def show_rest(
    folder: Path,
    cases: Sequence[PredictedCase],
    num_kept: int,
    num_finished: int,
    without_click: Sequence[Failure],
) -> None:
    """Say which lesions took several windows, which earlier masks were kept, and which scans have no click."""
    wide = [
        case.case_id
        for case in cases
        if case.clicks and len(case.windows) > max(1, len(case.lesions))
    ]
    if wide:
        say(
            f"followed beyond one window: {_names(wide)}; the paper uses one window (--single-window)"
        )
    if num_finished:
        say(
            f"{num_finished} cases were finished before with the same clicks and are kept; --overwrite predicts them"
            " again"
        )
    if num_kept:
        say(
            f"{num_kept} masks of an earlier call with this network stay listed in {folder / RECORD}"
        )
    if without_click:
        say(f"scans without a click, left out: {_names([case.case_id for case in without_click])}")


def show_failures(failures: Sequence[Failure]) -> None:
    """Show an error line for each of the first cases without a mask, and count the others."""
    for failure in failures[:MOST_LISTED]:
        fail(failure.reason)
    if len(failures) > MOST_LISTED:
        fail(f"{len(failures) - MOST_LISTED} more cases have no mask; {FAILURES} names them all")


def _names(names: Sequence[str]) -> str:
    return f"{len(names)} ({listed(names, _MOST_NAMES)})"
