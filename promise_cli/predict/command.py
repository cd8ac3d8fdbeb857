"""COMMAND promise-predict: scans + clicks -> a mask on each scan's own grid, and what was understood."""

import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from promise_cli.console import fail, say, show_table, track, warn
from promise_cli.errors import PromiseError, PromptError
from promise_cli.predictions import (
    Failure,
    Failures,
    PredictedCase,
    Predictions,
    describe_click,
    earlier_cases,
    forget_results,
    labels_dir,
)
from promise_cli.prompts import Click, locate_clicks, read_prompts, unknown_case
from promise_cli.records import save_record
from promise_cli.volume import case_id, find_volumes, read_grid, read_volume, write_mask
from promise_cli.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from promise_cli.predictor import Predictor


def predict(
    images: Path,
    prompts: Path,
    *,
    output: Path | None = None,
    run_dir: Path | None = None,
    folds: Sequence[int] = (),
    device: str = "auto",
    root: Path | None = None,
) -> bool:
    """Segment every scan that has a click; a case that cannot be done does not stop the others.

    Args:
        images: A scan or a folder of scans.
        prompts: A file of clicks.
        output: Where masks go; `predictions/<name of images>` where left out.
        run_dir: A checkpoint, a run's folder or a dataset's results; the only run where left out.
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
    if images.is_file():  # one prompt file may serve many scans
        clicks = {case: points for case, points in clicks.items() if case in scans} or clicks
    checkpoints = workspace.find_runs(run_dir, folds)
    folder = output or workspace.predictions / _name(images)
    _check_output(folder, scans)
    failures = _check_clicks(images, scans, prompts, clicks)
    if len(failures) == len(clicks):
        raise _all_failed(failures)

    from promise_cli.predictor import Predictor  # noqa: PLC0415  the cheap checks come first

    predictor = Predictor.load(checkpoints, device)
    kept = earlier_cases(folder, checkpoints, set(clicks))
    listed = {*clicks, *(case.case_id for case in kept)}
    unclicked = tuple(case for case in scans if case not in listed)
    result = _begin(workspace, predictor, prompts, kept, unclicked)
    if folder.exists():
        forget_results(folder, result)
    failed = {failure.case_id for failure in failures}
    wanted = {case: points for case, points in clicks.items() if case not in failed}
    result = _predict_cases(predictor, scans, wanted, folder, result, failures)
    if len(result.cases) == len(kept):
        raise _all_failed(failures)
    _save_failures(folder, failures)
    _show(folder, result, len(kept), failures)
    return not failures


def _begin(
    workspace: Workspace,
    predictor: "Predictor",
    prompts: Path,
    kept: tuple[PredictedCase, ...],
    unclicked: tuple[str, ...],
) -> Predictions:
    """The record before its first new case."""
    plan, checkpoints = predictor.plan, tuple(str(path) for path in predictor.checkpoints)
    say(
        f"network: {', '.join(checkpoints)} on {predictor.device}; {plan.dataset}, target"
        f" {plan.target_label} ({plan.target_name}), window of {plan.patch_size} voxels"
    )
    return Predictions(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        dataset=plan.dataset,
        target_label=plan.target_label,
        target_name=plan.target_name,
        labels=labels_dir(workspace, plan.dataset),
        checkpoints=checkpoints,
        prompts=str(prompts),
        device=str(predictor.device),
        cases=kept,
        without_click=unclicked,
    )


def _predict_cases(
    predictor: "Predictor",
    scans: dict[str, Path],
    clicks: dict[str, tuple[Click, ...]],
    folder: Path,
    result: Predictions,
    failures: list[Failure],
) -> Predictions:
    """Predict case by case; every finished one is on disk and listed before the next begins."""
    from torch import OutOfMemoryError  # noqa: PLC0415

    for case, points in track(clicks.items(), "predicting", len(clicks)):
        try:
            where = f"{result.prompts}: case {case}"
            record = _predict_case(predictor, scans[case], points, where, folder)
        except (PromiseError, OSError, MemoryError, OutOfMemoryError) as error:
            failures.append(Failure(case_id=case, reason=str(error) or type(error).__name__))
            continue
        result = dataclasses.replace(result, cases=(*result.cases, record))
        save_record(result, folder / "predictions.json")
    return result


def _name(images: Path) -> str:
    """Of the predictions of a folder or scan; a link keeps its own name."""
    return images.absolute().name if images.is_dir() else case_id(images)


def _check_output(folder: Path, scans: dict[str, Path]) -> None:
    """Refuse a folder in which a mask would replace a scan."""
    if folder.exists() and not folder.is_dir():
        raise PromptError(f"{folder}: masks need a folder, found a file; give another -o")
    theirs = {path.resolve() for path in scans.values()} | {
        path.absolute() for path in scans.values()
    }
    for case in scans:
        mask = folder / f"{case}.nii.gz"
        if mask.absolute() in theirs or mask.resolve() in theirs:
            raise PromptError(
                f"{mask}: a mask would replace this scan; give another folder with -o"
            )
        if mask.exists() and not (folder / "predictions.json").exists():
            raise PromptError(
                f"{mask}: there already, and not made by promise-predict; give another folder with -o"
            )


def _find_scans(images: Path) -> dict[str, Path]:
    if images.is_dir():
        scans = find_volumes(images)
        if not scans:
            raise PromptError(f"{images}: no scan in this folder; scans end in .nii.gz or .nii")
        return scans
    if not images.exists():
        raise PromptError(f"{images}: no such scan or folder")
    return {case_id(images): images}


def _check_clicks(
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
) -> PredictedCase:
    scan = read_volume(path, predictor.plan.orientation)
    prediction = predictor.predict(scan, clicks, where)
    name = f"{case_id(path)}.nii.gz"
    write_mask(prediction.mask, scan, folder / name)
    num_voxels = int(prediction.mask.sum())
    return PredictedCase(
        case_id=case_id(path),
        scan=str(path),
        mask=name,
        clicks=tuple(describe_click(click, scan, prediction.mask) for click in clicks),
        window_origin=prediction.window.origin,
        num_voxels=num_voxels,
        volume_ml=round(num_voxels * float(np.prod(scan.grid.spacing)) / 1000, 4),
        clicks_outside_window=prediction.clicks_outside_window,
    )


def _all_failed(failures: Sequence[Failure]) -> PromiseError:
    """All but the last reason are shown at once; the last becomes the error that ends the command."""
    for failure in failures[:-1]:
        fail(failure.reason)
    return PromptError(failures[-1].reason)


def _save_failures(folder: Path, failures: Sequence[Failure]) -> None:
    if failures:
        save_record(Failures(failures=tuple(failures)), folder / "failures.json")
    else:
        (folder / "failures.json").unlink(missing_ok=True)


def _show(folder: Path, result: Predictions, num_kept: int, failures: Sequence[Failure]) -> None:
    """Tell the user what was understood, and what looks odd."""
    rows = []
    for case in result.cases[num_kept:]:
        click = case.clicks[0]
        voxel = ", ".join(str(index) for index in click.voxel)
        place = ", ".join(f"{value:.1f}" for value in click.lps_mm)
        inside = "yes" if case.holds_its_clicks else "no"
        rows.append(
            (
                case.case_id,
                f"({voxel})",
                f"({place})",
                f"{click.intensity:g}",
                f"{case.volume_ml:.2f}",
                inside,
            )
        )
    columns = ("case", "click (i, j, k)", "LPS mm", "intensity", "ml", "in mask")
    show_table(f"masks in {folder}", columns, rows)
    for case in result.cases[num_kept:]:
        if case.num_voxels == 0:
            warn(f"{case.case_id}: the mask is empty; is the click where it should be?")
        elif not case.holds_its_clicks:
            warn(f"{case.case_id}: the click lies outside the mask; is it where it should be?")
        if case.clicks_outside_window:
            warn(
                f"{case.case_id}: {case.clicks_outside_window} clicks lie outside the window and were not used"
            )
    if num_kept:
        say(
            f"{num_kept} masks of an earlier call with this network stay listed in predictions.json"
        )
    if result.without_click:
        shown = ", ".join(result.without_click[:5])
        dots = ", ..." if len(result.without_click) > 5 else ""
        say(f"scans without a click, left out: {len(result.without_click)} ({shown}{dots})")
    for failure in failures:
        fail(failure.reason)
