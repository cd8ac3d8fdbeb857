"""Writes the mask of a scan that is open for clicks, with the files and the refusals of promise-predict."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from promise_cli.disk.atomic import remove_leftovers
from promise_cli.disk.ours import foreign_error, is_foreign
from promise_cli.disk.workspace import Workspace
from promise_cli.predict.cases import CaseWork
from promise_cli.predict.earlier import (
    earlier_cases,
    load_earlier,
    maker_of,
    prediction_keys,
    refuse_replacing,
    warn_of_unlisted,
)
from promise_cli.predict.inputs import Inputs
from promise_cli.predict.new_record import new_record
from promise_cli.predict.output import check_output, outputs, refuse_foreign_outputs
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predict.predictions_file import (
    RecordFile,
    alone_in,
    load_or_ignore,
    save_failures,
)
from promise_cli.predictions.record import PredictedCase, Predictions
from promise_cli.prompts import (
    MARKUPS_MARK,
    POINTS_MARK,
    Click,
    write_markups,
    write_points,
)

if TYPE_CHECKING:
    from promise_cli.session.predictor import Predictor
    from promise_cli.session.session import Session

CLICKS, MARKUPS = "clicks", "markups"
"""Names of two folders for the clicks of each case, next to the masks: one for our own JSON, one for 3D Slicer."""


def write_open_case(
    request: PredictRequest,
    workspace: Workspace,
    predictor: "Predictor",
    session: "Session",
    scans: Mapping[str, tuple[Path, ...]],
    case: str,
    clicks: tuple[Click, ...],
) -> tuple[PredictedCase, tuple[Path, ...]]:
    """Predict one case from its clicks, and write its mask, its record and its clicks.

    Args:
        request: The call of promise-predict that would write the same mask. It names the folder of the masks.
        workspace: Workspace of the call.
        predictor: Networks of the session.
        session: The scan, which is open for clicks. Its own clicks are replaced.
        scans: Files of all scans of the call, by case id.
        case: The case to write.
        clicks: Its clicks, of one or several lesions.

    Returns:
        The record of the case, and the files that were written.

    Raises:
        PromiseError: The clicks give no mask, or a file must not be replaced. Nothing was written then.
    """
    assert request.images is not None
    assert request.output is not None
    folder, grid = request.output, session.scan.stored_grid
    inputs = Inputs(
        folder.name, str(folder / CLICKS), {name: files[0] for name, files in scans.items()}, {case: clicks}, {case},
        str(request.images), tuple(name for name in scans if name != case), grids={case: grid},
        further={name: files[1:] for name, files in scans.items() if len(files) > 1},
    )  # fmt: skip
    files = {folder / CLICKS / f"{case}.json": POINTS_MARK,
             folder / MARKUPS / f"{case}.mrk.json": MARKUPS_MARK}  # fmt: skip
    check_output(folder, request.images, {case: scans[case][0]}, request.same_format)
    refuse_foreign_outputs(folder, request, inputs)
    for path, mark in files.items():
        if is_foreign(path, mark):
            raise foreign_error(path, "promise-predict", "move it to another folder")
    maker = maker_of(request, predictor.checkpoints)
    with alone_in(folder, request, inputs, maker):
        there = load_or_ignore(folder) if request.overwrite else load_earlier(folder)
        if request.overwrite:
            warn_of_unlisted(folder, there, maker, {case})
        else:
            refuse_replacing(folder, there, request, inputs, maker, [case])
        work = _work(request, workspace, predictor, inputs, there)
        found = work.segment(case, session)
        names = list(outputs(request, inputs, [case]))
        work.record.begin({case}, names, maker, overwrite=request.overwrite)
        written = work.write(case, found)
        work.record.end(names)
        save_failures(folder, [], {case})
        points, markups = files
        _make_folders((points.parent, markups.parent))
        write_points(points, {case: clicks}, inputs.grids, "clicked and written by promise-predict")
        write_markups(markups, clicks, grid)
    return written, (folder / written.mask, points, markups)


def _work(
    request: PredictRequest,
    workspace: Workspace,
    predictor: "Predictor",
    inputs: Inputs,
    there: Predictions | None,
) -> CaseWork:
    """Return the steps for a single case, with a record that lists the other cases of the folder."""
    assert request.output is not None
    maker = maker_of(request, predictor.checkpoints)
    earlier = earlier_cases(request.output, there, maker)
    listed = tuple(other for other in earlier if other.case_id not in inputs.attempted)
    known = {*inputs.attempted, *(other.case_id for other in listed)}
    without = tuple(name for name in inputs.scans if name not in known)
    empty = new_record(request, workspace, inputs.where, predictor, listed, without)
    keys = prediction_keys(request, predictor.checkpoints, inputs)
    replaced = {old.case_id: old for old in (there.cases if there else ())}
    return CaseWork(request, predictor, inputs, keys, RecordFile(request.output, empty), replaced)


def _make_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
