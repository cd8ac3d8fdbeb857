"""The summary at the end of promise-predict: how clicks were understood, what looks odd, and what is missing."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from promise_cli.console import counted, fail, say, show_table, warn
from promise_cli.errors import MOST_LISTED, listed
from promise_cli.predictions.record import FAILURES, RECORD, Failure, PredictedCase
from promise_cli.prompts import FOREGROUND

_MOST_NAMES = 5
MOST_WARNINGS = 100
"""Largest number of warnings about cases that are printed."""


def show_new(
    folder: Path,
    cases: Sequence[PredictedCase],
    odd: Mapping[str, str],
    notes: Mapping[str, Sequence[str]],
    failures: Sequence[Failure],
) -> None:
    """Show a table of all clicks, case by case, and a warning for each case that looks odd.

    Args:
        folder: Folder of the masks.
        cases: Cases that this call predicted.
        odd: Question about a click on air or metal, by case id.
        notes: Oddities in the geometry and the intensities of the scan, by case id.
        failures: Cases without a mask.
    """
    several_lesions = any(len(case.lesions) > 1 for case in cases)
    several_signs = any(click.label != FOREGROUND for case in cases for click in case.clicks)
    columns = [
        *("case", "click (i, j, k)"),
        *(["lesion"] if several_lesions else []),
        *(["sign"] if several_signs else []),
        *("LPS mm", "intensity", "in mask", "windows", "ml"),
    ]
    rows = [
        [row[column] for column in columns]
        for case in cases
        for row in (_rows_of_clicks(case) if case.clicks else [_row_of_case(case)])
    ]
    named = [failure.case_id for failure in failures[:MOST_LISTED]]
    if len(failures) > MOST_LISTED:
        named.append(f"and {len(failures) - MOST_LISTED} more")
    rows += [[name, *("" for _ in columns[1:-1]), "no mask"] for name in named]
    show_table(f"masks in {folder}", columns, rows, file=RECORD)
    warnings = [
        f"{case.case_id}: {text}"
        for case in cases
        for text in (*notes.get(case.case_id, ()), *_doubts(case, odd.get(case.case_id)))
    ]
    for warning in warnings[:MOST_WARNINGS]:
        warn(warning)
    if len(warnings) > MOST_WARNINGS:
        warn(f"and {counted(len(warnings) - MOST_WARNINGS, 'more warning')} like these")


def _row_of_case(case: PredictedCase) -> dict[str, str]:
    """Return what the table says about a case as a whole, by column."""
    return {
        "case": case.case_id,
        "click (i, j, k)": "none",
        "windows": str(len(case.windows)),
        "ml": f"{case.volume_ml:.2f}",
        **dict.fromkeys(("lesion", "sign", "LPS mm", "intensity", "in mask"), ""),
    }


def _rows_of_clicks(case: PredictedCase) -> list[dict[str, str]]:
    """Return a row for each click of a case. The first row also describes the case as a whole."""
    names = {lesion.value: lesion.name or f"value {lesion.value}" for lesion in case.lesions}
    whole = _row_of_case(case)
    return [
        {
            **(whole if number == 0 else dict.fromkeys(whole, "")),
            "click (i, j, k)": f"({', '.join(map(str, click.voxel))})",
            "lesion": names.get(click.value, f"value {click.value}"),
            "sign": "foreground" if click.label == FOREGROUND else "background",
            "LPS mm": f"({', '.join(f'{value:z.1f}' for value in click.lps_mm)})",
            "intensity": f"{click.intensity:g}",
            "in mask": "yes" if click.in_mask else "no",
        }
        for number, click in enumerate(case.clicks)
    ]


def _doubts_about_clicks(case: PredictedCase) -> Iterator[str]:
    """Name the foreground clicks that lie outside the mask."""
    outside = [
        f"({', '.join(map(str, click.voxel))})"
        for click in case.clicks
        if click.label == FOREGROUND and not click.in_mask
    ]
    if len(outside) == 1:
        yield f"the foreground click {outside[0]} lies outside the mask; is it where it should be?"
    elif outside:
        yield (
            f"{len(outside)} foreground clicks lie outside the mask, {listed(outside)}; are they where they should be?"
        )


def _doubts(case: PredictedCase, question: str | None) -> Iterator[str]:
    """Yield what looks odd about a case, and the question about one of its clicks if there is one."""
    if question:
        yield question
    if case.num_voxels == 0:
        where = "; is the click where it should be?" if case.clicks else ""
        yield f"the mask is empty{where}"
    else:
        yield from _doubts_about_clicks(case)
    if case.clicks_outside_window:
        yield (
            f"{counted(case.clicks_outside_window, 'click', 'lie')} outside the window and"
            f" {'was' if case.clicks_outside_window == 1 else 'were'} not used"
        )
    if not case.closed:
        yield (
            f"after {counted(len(case.windows), 'window')} the mask still reaches their border; look at it, and raise"
            " --max-windows if the lesion is really that wide"
        )


def show_remade(cases: Sequence[str]) -> None:
    """Say which masks of an earlier call will be replaced."""
    if cases:
        say(
            f"predicted again, because their clicks, scans or options have changed: {_names(cases)}"
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
            f"{counted(num_finished, 'case', 'were')} finished before with the same clicks and"
            f" {'is kept; --overwrite predicts it' if num_finished == 1 else 'are kept; --overwrite predicts them'}"
            " again"
        )
    if num_kept:
        say(
            f"{counted(num_kept, 'mask', 'are')} still listed in {folder / RECORD}, from an earlier call with this"
            " network"
        )
    if without_click:
        say(f"scans without a click, left out: {_names([case.case_id for case in without_click])}")


def show_failures(failures: Sequence[Failure]) -> None:
    """Show an error line for each of the first cases without a mask, and count the others."""
    for failure in failures[:MOST_LISTED]:
        fail(failure.reason)
    if len(failures) > MOST_LISTED:
        more = len(failures) - MOST_LISTED
        fail(f"{counted(more, 'more case', 'have')} no mask; {FAILURES} names them all")


def _names(names: Sequence[str]) -> str:
    return f"{len(names)} ({listed(names, _MOST_NAMES)})"
