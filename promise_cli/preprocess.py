"""COMMAND promise-preprocess: an MSD folder -> fingerprint.json, plans.json, splits.json and cases."""

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from promise_cli.case import is_current, preprocess_case
from promise_cli.console import say, track, warn
from promise_cli.dataset import CaseFiles, Dataset, choose_target, read_dataset
from promise_cli.errors import DatasetError, PlanError
from promise_cli.fingerprint import CaseFingerprint, Fingerprint, make_fingerprint, measure_case
from promise_cli.grid import format_shape, format_spacing
from promise_cli.plan import Plan, make_plan
from promise_cli.records import load_record, save_record
from promise_cli.splits import Splits, splits_of_dataset
from promise_cli.workspace import open_workspace

T = TypeVar("T")
R = TypeVar("R")

MAX_WORKERS = 8
"""Unless asked for more: a scan of 512 x 512 x 800 voxels takes a process over 4 GB."""

Measured = tuple[CaseFingerprint, NDArray[np.float32]]


@dataclass(frozen=True)
class Preprocessed:
    """What the command did."""

    folder: Path
    fingerprint: Fingerprint
    plan: Plan
    num_new: int
    """Cases written now; the others were there already."""


def preprocess(
    task: str,
    *,
    root: Path | None = None,
    target_label: str | None = None,
    splits: Path | None = None,
    workers: int | None = None,
    skip_bad: bool = False,
    overwrite: bool = False,
) -> Preprocessed:
    """Verify a dataset, decide its plan and write its cases.

    Nothing is written before every case has been read and found good.

    Args:
        task: A path, `Task07_Pancreas`, `Task07`, `7` or `Dataset007_Pancreas`.
        root: The workspace.
        target_label: Name or number of the label to segment.
        splits: A file of folds to use instead of our own.
        workers: Processes; 0 works in this one.
        skip_bad: Go on without cases that cannot be used.
        overwrite: Make plan, folds and cases anew.

    Raises:
        PromiseError: Folder, dataset.json, a case, a kept plan or the folds are not usable.
    """
    workspace = open_workspace(root)
    dataset = read_dataset(workspace.find_raw_dataset(task))
    folder = workspace.preprocessed / dataset.name
    kept = None if overwrite else _kept_plan(folder)
    target = _target(dataset, target_label, kept, folder)
    others = [f"{value} ({name})" for value, name in dataset.labels.items() if value != target[0]]
    say(
        f"dataset: {dataset.name}, {len(dataset.cases)} cases, target {target[0]} ({target[1]})"
        + (f"; background: {', '.join(others)}; --target-label takes another" if others else "")
    )

    usable, measured = _measure(dataset, target[0], workers, skip_bad=skip_bad)
    fingerprint = make_fingerprint(dataset, _source(dataset, workspace.root), target, measured)
    folds = splits_of_dataset(dataset.name, [files.case_id for files in usable], splits)
    plan = kept or make_plan(fingerprint)
    replace = overwrite or splits is not None
    folds = _save_splits(folds, folder / "splits.json", usable, replace=replace)
    save_record(fingerprint, folder / "fingerprint.json")
    save_record(plan, folder / "plans.json")
    _show_plan(plan, fingerprint, kept=kept is not None)
    say(f"folds: {folds.source}")

    cases_dir = folder / "cases"
    cases_dir.mkdir(parents=True, exist_ok=True)
    wanted = [files for files in usable if overwrite or not is_current(files, plan, cases_dir)]
    task_of_case = functools.partial(preprocess_case, plan=plan, cases_dir=cases_dir)
    for _ in _map(task_of_case, wanted, workers, "preprocessing"):
        pass
    return Preprocessed(folder, fingerprint, plan, len(wanted))


def _measure(
    dataset: Dataset, target_label: int, workers: int | None, *, skip_bad: bool
) -> tuple[list[CaseFiles], list[Measured]]:
    """Fingerprints of all usable cases; the first bad case stops the command unless it may be skipped."""
    measure = functools.partial(_try_measure, dataset=dataset, target_label=target_label)
    results = list(_map(measure, dataset.cases, workers, "verifying"))
    pairs = list(zip(dataset.cases, results, strict=True))
    problems = [(files, result) for files, result in pairs if isinstance(result, str)]
    if problems and not skip_bad:
        message = problems[0][1]
        if len(problems) > 1:
            others = ", ".join(files.case_id for files, _ in problems[1:6])
            dots = ", ..." if len(problems) > 6 else ""
            message += f" ({len(problems) - 1} more bad cases: {others}{dots})"
        raise DatasetError(message)
    for _, problem in problems:
        warn(f"left out: {problem}")
    good = [(files, result) for files, result in pairs if not isinstance(result, str)]
    if not good:
        raise DatasetError(f"{dataset.folder}: no usable case is left")
    return [files for files, _ in good], [result for _, result in good]


def _try_measure(files: CaseFiles, dataset: Dataset, target_label: int) -> Measured | str:
    """The measurement, or what is wrong with the case: an exception would stop the other workers."""
    try:
        return measure_case(files, dataset, target_label)
    except DatasetError as error:
        return str(error)


def _map(
    function: Callable[[T], R], items: Sequence[T], workers: int | None, description: str
) -> list[R]:
    """Apply a function to all items, in their order, in `workers` processes (0: in this one)."""
    count = min(os.cpu_count() or 1, MAX_WORKERS) if workers is None else workers
    count = min(count, len(items))
    if count <= 1:
        return list(track(map(function, items), description, len(items)))
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        try:
            return list(track(pool.map(function, items), description, len(items)))
        except BrokenProcessPool:
            raise DatasetError(
                f"{description}: a process was killed, most likely for want of memory; use fewer --workers, or"
                " 0 to work in one process"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _kept_plan(folder: Path) -> Plan | None:
    path = folder / "plans.json"
    return load_record(Plan, path) if path.exists() else None


def _target(
    dataset: Dataset, asked: str | None, kept: Plan | None, folder: Path
) -> tuple[int, str]:
    if kept is None:
        return choose_target(dataset, asked)
    if asked is not None and choose_target(dataset, asked)[0] != kept.target_label:
        raise PlanError(
            f"{folder / 'plans.json'}: planned for target {kept.target_label} ({kept.target_name}), asked for"
            f" {asked}; add --overwrite to plan anew"
        )
    return choose_target(dataset, str(kept.target_label))


def _save_splits(
    folds: Splits, path: Path, usable: Sequence[CaseFiles], *, replace: bool
) -> Splits:
    """Keep folds whose cases are all there: they may be the user's own, or have trained networks already."""
    if path.exists() and not replace:
        kept = load_record(Splits, path)
        usable_ids = {files.case_id for files in usable}
        gone = sorted(kept.case_ids - usable_ids)
        if gone:
            raise PlanError(
                f"{path}: names {len(gone)} cases that the dataset no longer has, such as {gone[0]}; give --splits"
                " FILE, or --overwrite to make plan, folds and cases anew"
            )
        new = sorted(usable_ids - kept.case_ids)
        if new:
            warn(f"{path}: kept; {len(new)} cases are in none of its folds, such as {new[0]}")
        return kept
    save_record(folds, path)
    return folds


def _source(dataset: Dataset, root: Path) -> str:
    """The dataset's folder, relative to the root where it lies below, so that a workspace can be moved."""
    try:
        return dataset.folder.absolute().relative_to(root.absolute()).as_posix()
    except ValueError:
        return str(dataset.folder.absolute())


def _show_plan(plan: Plan, fingerprint: Fingerprint, *, kept: bool) -> None:
    numbers = plan.normalisation
    what = (
        "kept from plans.json (--overwrite makes it anew)" if kept else "made from the fingerprint"
    )
    say(
        f"median scan: {format_shape(fingerprint.median_shape)} voxels of"
        f" {format_spacing(fingerprint.median_spacing)}"
    )
    say(
        f"plan: {what}; {format_spacing(plan.spacing)}, patch {plan.patch_size}^3 (a preset may have its own)"
    )
    if numbers.scheme == "dataset":
        say(
            f"clip {numbers.low:g} to {numbers.high:g}, mean {numbers.mean:.2f}, SD {numbers.std:.2f}"
        )
    else:
        say(
            f"{plan.modality or 'intensities without units'}: each scan is normalised by its own numbers"
        )
