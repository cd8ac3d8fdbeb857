"""Writes the page of promise-predict, which shows every case and needs no internet connection and no other file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.disk.atomic import write_text
from promise_cli.disk.ours import foreign_error, is_foreign, is_marked
from promise_cli.disk.records import load_record
from promise_cli.errors import PromiseError
from promise_cli.geometry.box import Index
from promise_cli.geometry.grid import Grid
from promise_cli.predictions.record import (
    FAILURES,
    RECORD,
    ClickRecord,
    Failures,
    LesionRecord,
    PredictedCase,
    Predictions,
)
from promise_cli.prompts import FOREGROUND
from promise_cli.report.page import (
    EARLIER_PAGE,
    MARK,
    PAGE,
    PREDICTION_GENERATOR,
    PREDICTION_MARK,
    render,
)
from promise_cli.report.slices import BACKGROUND_CLICK, Outline, SlicePicture, draw_slices
from promise_cli.volume import read_channel, read_label

MOST_NAMES = 3
"""Largest number of lesions that the key of the gallery names for one colour."""
NUM_COLOURS = 6
"""Number of lesions with a colour of their own, by the classes c0, c1, ... of page.css."""


@dataclass(frozen=True)
class _Case:
    """What the page shows about one case."""

    record: PredictedCase
    anchor: str
    pictures: tuple[SlicePicture, ...]
    key: tuple[tuple[str, str], ...]
    """CSS class and name of each line in the pictures."""
    problem: str = ""
    """Reason why there are no pictures; empty if there are some."""

    def lesion_of(self, click: ClickRecord) -> str:
        """Return the name of a click's lesion, or its value in the mask if it has no name."""
        names = {lesion.value: lesion.name for lesion in self.record.lesions}
        return names.get(click.value) or f"value {click.value}"


def draw_prediction(
    array: NDArray[Any], grid: Grid, mask: NDArray[np.uint8], clicks: Sequence[ClickRecord]
) -> tuple[SlicePicture, ...]:
    """Draw three slices through the first foreground click.

    Without such a click, the slices are those in which a single lesion is largest, or those through the middle of
    several lesions. If there is no mask either, they lie in the middle of the scan.

    Args:
        array: Intensities of the channel to draw, (I, J, K), axes RAS.
        grid: Grid of the scan.
        mask: Mask (I, J, K) on this grid. Each value gets an outline of its own.
        clicks: Clicks as predictions.json lists them.
    """
    crosses = crosses_of(clicks, grid)
    at = next((voxel for kind, voxel in crosses if kind == "click"), None)
    if at is None and not mask.any():
        i, j, k = (n // 2 for n in mask.shape)
        at = (i, j, k)
    values = np.unique(mask[mask != 0]).tolist() or [1]
    names = _line_names(values)
    outlines = [Outline(names[value], mask == value) for value in values]
    if at is None and len(outlines) > 1:
        # Without a place, `draw_slices` would choose slices in which the first two lesions differ most.
        at = _middle(mask)
    return draw_slices(array, outlines, grid.spacing, at, crosses)


def crosses_of(clicks: Sequence[ClickRecord], grid: Grid) -> list[tuple[str, Index]]:
    """Return CSS class and voxel of each click on a grid, for `draw_slices`."""
    found = []
    for click in clicks:
        i, j, k = np.rint(grid.ijk(click.ras_mm)).astype(int).tolist()
        found.append(("click" if click.label == FOREGROUND else BACKGROUND_CLICK, (i, j, k)))
    return found


def page_of(folder: Path) -> Path:
    """Return the path of the page: `report.html`, or `prediction.html` if `report.html` is the page of an evaluation.

    Raises:
        WorkspaceError: The file exists already, and promise-predict did not write it.
    """
    page = folder / (EARLIER_PAGE if is_marked(folder / PAGE, MARK) else PAGE)
    if is_foreign(page, PREDICTION_MARK):
        advice = "give another folder with -o, or leave out --report"
        raise foreign_error(page, "promise-predict", advice)
    return page


def write_report(
    folder: Path, drawn: Mapping[str, tuple[SlicePicture, ...]], channel: int = 1
) -> Path:
    """Write the page of promise-predict next to the masks of a folder, under the name that `page_of` returns.

    Args:
        folder: Folder of the masks, which holds predictions.json.
        drawn: Pictures by case id. Cases without pictures are drawn from their scan and mask.
        channel: Channel of the scans that the pictures show, counted from 1.

    Returns:
        Path of the page.
    """
    record = load_record(Predictions, folder / RECORD)
    failures = folder / FAILURES
    failed = load_record(Failures, failures).failures if failures.exists() else ()
    cases = [
        _case(case, f"case-{number}", drawn.get(case.case_id), folder, channel)
        for number, case in enumerate(record.cases, 1)
    ]
    page = render(
        "prediction.html",
        title=f"{folder.absolute().name}: {record.target_name} of {record.dataset}",
        generator=PREDICTION_GENERATOR,
        tool=f"promise_cli {record.promise_cli}",
        record=record,
        failures=failed,
        several_lesions=any(len(case.lesions) > 1 for case in record.cases),
        several_signs=any(
            click.label != FOREGROUND for case in record.cases for click in case.clicks
        ),
        cases=cases,
        key=_common_key(cases),
    )
    path = page_of(folder)
    write_text(path, page)
    return path


def _case(
    case: PredictedCase,
    anchor: str,
    pictures: tuple[SlicePicture, ...] | None,
    folder: Path,
    channel: int,
) -> _Case:
    key = _key(case.lesions, case.clicks)
    try:
        return _Case(case, anchor, pictures or _draw_again(case, folder, channel), key)
    except PromiseError as error:
        return _Case(case, anchor, (), (), str(error))


def _draw_again(case: PredictedCase, folder: Path, channel: int) -> tuple[SlicePicture, ...]:
    """Draw a case of an earlier call from its files."""
    scan = read_channel(Path(case.scan), channel - 1, keep_integers=True)
    mask = read_label(folder / case.mask, like=scan).array.astype(np.uint8)
    return draw_prediction(scan.array, scan.grid, mask, case.clicks)


def _key(
    lesions: Sequence[LesionRecord], clicks: Sequence[ClickRecord]
) -> tuple[tuple[str, str], ...]:
    values = sorted({lesion.value for lesion in lesions if lesion.num_voxels})
    named = {lesion.value: lesion.name or f"value {lesion.value}" for lesion in lesions}
    names = _line_names(values)
    lines = [(names[value], "prediction" if len(values) == 1 else named[value]) for value in values]
    if any(click.label == FOREGROUND for click in clicks):
        lines.append(("click", "click"))
    if any(click.label != FOREGROUND for click in clicks):
        lines.append((BACKGROUND_CLICK, "click on background"))
    return tuple(lines)


def _common_key(cases: Sequence[_Case]) -> tuple[tuple[str, str], ...]:
    """Return CSS class and meaning of every line in the gallery. Lesions of several cases may share a colour."""
    names: dict[str, list[str]] = {}
    for case in cases:
        for line, name in case.key:
            if name not in names.setdefault(line, []):
                names[line].append(name)
    order = sorted(names, key=lambda line: (line == BACKGROUND_CLICK, line == "click", line))
    shown = {line: names[line][:MOST_NAMES] for line in order}
    return tuple(
        (line, " / ".join([*its, *(["..."] if len(names[line]) > len(its) else [])]))
        for line, its in shown.items()
    )


def _line_names(values: Sequence[int]) -> dict[int, str]:
    """Return the CSS class of the outline of each value."""
    if len(values) == 1:
        return {values[0]: "prediction"}
    return {value: f"c{number % NUM_COLOURS}" for number, value in enumerate(values)}


def _middle(mask: NDArray[np.uint8]) -> tuple[int, int, int]:
    i, j, k = np.argwhere(mask).mean(axis=0).astype(int).tolist()
    return i, j, k
