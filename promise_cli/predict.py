"""COMMAND promise-predict: scans + clicks -> a mask on each scan's own grid, and what was understood."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from promise_cli.console import fail, say, show_table, track, warn
from promise_cli.errors import PlanError, PromiseError, PromptError
from promise_cli.predictions import (
    CaseRecord,
    Failure,
    Failures,
    Predictions,
    describe_click,
    labels_dir,
)
from promise_cli.prompts import Click, locate_clicks, read_prompts, unknown_case
from promise_cli.records import load_record, save_record
from promise_cli.volume import case_id, find_volumes, read_grid, read_volume, write_mask
from promise_cli.workspace import open_workspace

if TYPE_CHECKING:
    from promise_cli.predictor import Predictor


def predict(
    images: Path,
    prompts: Path,
    *,
    output: Path | None = None,
    run: Path | None = None,
    folds: Sequence[int] = (),
    device: str = "auto",
    root: Path | None = None,
) -> bool:
    """Segment every scan that has a click; a case that cannot be done does not stop the others.

    Args:
        images: A scan or a folder of scans.
        prompts: A file of clicks.
        output: Where masks go; `predictions/<name of images>` where left out.
        run: A checkpoint, a run's folder or a dataset's results; the only run where left out.
        folds: Folds whose networks are averaged.
        device: auto, cpu, cuda or mps.
        root: The workspace.

    Returns:
        Whether all cases of the prompt file were done.

    Raises:
        PromiseError: Nothing can be done at all; nothing was written then.
    """
    workspace = open_workspace(root)
    scans = _find_scans(images)
    clicks = read_prompts(prompts)
    checkpoints = workspace.find_runs(run, folds)
    failures = _check(images, scans, prompts, clicks)
    if len(failures) == len(clicks):
        raise _all_failed(failures)

    from promise_cli.predictor import Predictor  # noqa: PLC0415  the cheap checks come first

    predictor = Predictor.load(checkpoints, device)
    folder = output or workspace.predictions / (
        images.resolve().name if images.is_dir() else case_id(images)
    )
    say(f"network: {', '.join(str(path) for path in checkpoints)} on {predictor.device}")
    records: list[CaseRecord] = []
    failed = {failure.case_id for failure in failures}
    wanted = [case for case in clicks if case not in failed]
    for case in track(wanted, "predicting", len(wanted)):
        try:
            records.append(
                _predict_case(
                    predictor, scans[case], clicks[case], f"{prompts}: case {case}", folder
                )
            )
        except PromiseError as error:
            failures.append(Failure(case_id=case, reason=str(error)))
    if not records:
        raise _all_failed(failures)
    plan = predictor.plan
    result = Predictions(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        dataset=plan.dataset,
        target_label=plan.target_label,
        target_name=plan.target_name,
        labels=labels_dir(workspace, plan.dataset),
        checkpoints=tuple(str(path) for path in checkpoints),
        prompts=str(prompts),
        device=str(predictor.device),
        cases=(*_earlier(folder, checkpoints, records), *records),
        without_click=tuple(case for case in scans if case not in clicks),
    )
    _finish(folder, result, failures)
    return not failures


def _find_scans(images: Path) -> dict[str, Path]:
    if images.is_dir():
        scans = find_volumes(images)
        if not scans:
            raise PromptError(f"{images}: no scan in this folder; scans end in .nii.gz or .nii")
        return scans
    if not images.exists():
        raise PromptError(f"{images}: no such scan or folder")
    return {case_id(images): images}


def _check(
    images: Path, scans: dict[str, Path], prompts: Path, clicks: dict[str, tuple[Click, ...]]
) -> list[Failure]:
    """What can be seen from headers alone, before a network is loaded."""
    failures = []
    for case, points in clicks.items():
        if case not in scans:
            failures.append(
                Failure(case_id=case, reason=unknown_case(prompts, case, scans, images))
            )
            continue
        try:
            grid = read_grid(scans[case])
            locate_clicks(points, grid, grid, f"{prompts}: case {case}")
        except PromiseError as error:
            failures.append(Failure(case_id=case, reason=str(error)))
    return failures


def _predict_case(
    predictor: "Predictor", path: Path, clicks: Sequence[Click], where: str, folder: Path
) -> CaseRecord:
    scan = read_volume(path, predictor.plan.orientation)
    prediction = predictor.predict(scan, clicks, where)
    name = f"{case_id(path)}.nii.gz"
    write_mask(prediction.mask, scan, folder / name)
    num_voxels = int(prediction.mask.sum())
    return CaseRecord(
        case_id=case_id(path),
        scan=str(path),
        mask=name,
        clicks=tuple(describe_click(click, scan, prediction.mask) for click in clicks),
        window_origin=prediction.window.origin,
        num_voxels=num_voxels,
        volume_ml=round(num_voxels * float(np.prod(scan.grid.spacing)) / 1000, 4),
        clicks_outside_window=prediction.clicks_outside_window,
    )


def _earlier(
    folder: Path, checkpoints: Sequence[Path], records: Sequence[CaseRecord]
) -> tuple[CaseRecord, ...]:
    """What a folder holds from an earlier call with the same networks; these cases stay listed."""
    path = folder / "predictions.json"
    if not path.exists():
        return ()
    try:
        there = load_record(Predictions, path)
    except PlanError as error:
        warn(f"{error}; what it lists is forgotten")
        return ()
    done = {record.case_id for record in records}
    kept = tuple(
        case for case in there.cases if case.case_id not in done and (folder / case.mask).exists()
    )
    created = datetime.datetime.fromisoformat(there.created).timestamp()
    same = there.checkpoints == tuple(str(path) for path in checkpoints)
    if kept and not (same and created > max(path.stat().st_mtime for path in checkpoints)):
        warn(
            f"{folder}: {len(kept)} masks of another network, such as {kept[0].mask}, stay there but are no"
            " longer listed; use -o to keep predictions apart"
        )
        return ()
    return kept


def _all_failed(failures: Sequence[Failure]) -> PromiseError:
    """All but the last reason are shown at once; the last becomes the error that ends the command."""
    for failure in failures[:-1]:
        fail(failure.reason)
    return PromptError(failures[-1].reason)


def _finish(folder: Path, result: Predictions, failures: Sequence[Failure]) -> None:
    """Write predictions.json and failures.json, and tell the user."""
    save_record(result, folder / "predictions.json")
    if failures:
        save_record(Failures(failures=tuple(failures)), folder / "failures.json")
    else:
        (folder / "failures.json").unlink(missing_ok=True)
    rows = []
    for case in result.cases:
        click = case.clicks[0]
        voxel = ", ".join(map(str, click.voxel))
        inside = "yes" if all(c.in_mask for c in case.clicks if c.label == 1) else "no"
        rows.append(
            (case.case_id, f"({voxel})", f"{click.intensity:g}", f"{case.volume_ml:.2f}", inside)
        )
    show_table(
        f"masks in {folder}", ("case", "click (i, j, k)", "intensity", "ml", "in mask"), rows
    )
    for case in result.cases:
        if case.num_voxels == 0:
            warn(f"{case.case_id}: the mask is empty; is the click where it should be?")
        if case.clicks_outside_window:
            warn(
                f"{case.case_id}: {case.clicks_outside_window} clicks lie outside the window and were not used"
            )
    if result.without_click:
        shown = ", ".join(result.without_click[:5]) + (
            ", ..." if len(result.without_click) > 5 else ""
        )
        say(f"{len(result.without_click)} scans have no click and were left out: {shown}")
    for failure in failures:
        fail(failure.reason)
