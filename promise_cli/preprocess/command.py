"""COMMAND promise-preprocess: a dataset folder -> fingerprint.json, plans.json, splits.json and cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import say, warn
from promise_cli.dataset.case import is_current
from promise_cli.dataset.fingerprint import Fingerprint, make_fingerprint
from promise_cli.dataset.folder import (
    Dataset,
    Labels,
    as_tuple,
    choose_targets,
    label_text,
    read_dataset,
)
from promise_cli.dataset.plan import Plan, make_plan
from promise_cli.dataset.splits import Splits, splits_of_dataset, without_cases
from promise_cli.disk.records import load_record, save_record
from promise_cli.disk.workspace import open_workspace
from promise_cli.errors import PlanError
from promise_cli.geometry.grid import format_shape, format_spacing
from promise_cli.jobs import Shard, claim, read_shard
from promise_cli.preprocess.verify import Survey, survey_dataset
from promise_cli.preprocess.write import make_cases, sweep

SCRATCH = ".preprocessing"
"""Folder under the root with what the command keeps for itself: measurements and locks. It may be deleted."""


@dataclass(frozen=True)
class Preprocessed:
    """What the command did."""

    folder: Path
    fingerprint: Fingerprint
    plan: Plan
    num_new: int
    """Cases written now; the others were there already."""
    num_there: int
    """Cases that are there now; fewer than the fingerprint's while other shards are at work."""
    shard: Shard


def preprocess(
    task: str,
    *,
    root: Path | None = None,
    target_label: str | Sequence[str] | None = None,
    splits: Path | None = None,
    workers: int | None = None,
    skip_bad: bool = False,
    shard: str | None = None,
    overwrite: bool = False,
) -> Preprocessed:
    """Verify a dataset, decide its plan and write its cases.

    Nothing is written before every case has been read and found good, whichever shard this is: fingerprint, plan and
    folds are those of the whole dataset, and every shard makes the same.

    Args:
        task: A path, `Task07_Pancreas`, `Task07`, `7` or `Dataset007_Pancreas`.
        root: The workspace.
        target_label: Name or number of the label to segment; several are one target together.
        splits: A file of folds to use instead of our own.
        workers: Processes; 0 works in this one.
        skip_bad: Go on without cases that cannot be used.
        shard: Which part of the cases to write, such as `3/16`; all where left out.
        overwrite: Make plan, folds and cases anew.

    Raises:
        PromiseError: Folder, dataset.json, a case, a kept plan or the folds are not usable.
    """
    part = read_shard(shard)
    workspace = open_workspace(root)
    dataset = read_dataset(workspace.find_raw_dataset(task), keep_broken=True)
    folder, scratch = workspace.preprocessed / dataset.name, workspace.root / SCRATCH / dataset.name
    kept = None if overwrite else _kept_plan(folder)
    asked = (target_label,) if isinstance(target_label, str) else tuple(target_label or ())
    target = _target(dataset, asked, kept, folder)
    _announce(dataset, target)
    survey = survey_dataset(
        dataset, target[0], scratch, workers=workers, shard=part, skip_bad=skip_bad
    )
    source = _source(dataset, workspace.root)
    fingerprint = make_fingerprint(dataset, source, target, survey.measured, survey.left_out)
    ids = [case.case_id for case in fingerprint.cases]
    left_out = [case.case_id for case in survey.left_out]
    folds = splits_of_dataset(dataset.name, ids, splits, left_out)
    with claim(scratch / "locks" / "plan"):
        sweep(folder, scratch)
        if not overwrite:  # another command, such as another shard, may have planned meanwhile
            kept = _kept_plan(folder)
            _target(dataset, [str(value) for value in as_tuple(target[0])], kept, folder)
        plan = make_plan(fingerprint)
        if kept is not None:
            plan = _check_kept(kept, plan, folder / "plans.json")
        replace = overwrite or splits is not None
        folds = _save_splits(folds, folder / "splits.json", ids, left_out, replace=replace)
        save_record(fingerprint, folder / "fingerprint.json")
        save_record(plan, folder / "plans.json")
    _show_plan(plan, fingerprint, kept=kept is not None)
    say(f"folds: {folds.source}")
    return _write(survey, fingerprint, plan, folder, scratch, part, workers, overwrite=overwrite)


def _write(
    survey: Survey,
    fingerprint: Fingerprint,
    plan: Plan,
    folder: Path,
    scratch: Path,
    shard: Shard,
    workers: int | None,
    *,
    overwrite: bool,
) -> Preprocessed:
    """The shard's cases, and what is there then."""
    cases_dir = folder / "cases"
    cases_dir.mkdir(parents=True, exist_ok=True)
    num_new = make_cases(
        shard.share(survey.usable), plan, folder, scratch, workers=workers, overwrite=overwrite
    )
    there = [is_current(one.files, plan, cases_dir, one.source) for one in survey.usable]
    return Preprocessed(folder, fingerprint, plan, num_new, sum(there), shard)


def _announce(dataset: Dataset, target: tuple[Labels, str]) -> None:
    chosen = as_tuple(target[0])
    others = [f"{value} ({name})" for value, name in dataset.labels.items() if value not in chosen]
    say(
        f"dataset: {dataset.name}, {len(dataset.cases) + len(dataset.broken)} cases, target"
        f" {label_text(chosen)} ({target[1]})"
        + (f"; background: {', '.join(others)}; --target-label takes another" if others else "")
    )


def _kept_plan(folder: Path) -> Plan | None:
    path = folder / "plans.json"
    return load_record(Plan, path) if path.exists() else None


def _target(
    dataset: Dataset, asked: Sequence[str], kept: Plan | None, folder: Path
) -> tuple[Labels, str]:
    if kept is None:
        return choose_targets(dataset, asked)
    if asked and as_tuple(choose_targets(dataset, asked)[0]) != kept.labels:
        raise PlanError(
            f"{folder / 'plans.json'}: planned for target {kept.label} ({kept.target_name}), asked for"
            f" {' '.join(asked)}; add --overwrite to plan anew"
        )
    for value in kept.labels:
        if value not in dataset.labels:
            field = "target_labels" if kept.target_labels else "target_label"
            raise PlanError(
                f"{folder / 'plans.json'}: {field} {value} is no label of dataset.json; correct it, or add --overwrite"
                " to plan anew"
            )
    return choose_targets(dataset, [str(value) for value in kept.labels])


def _check_kept(kept: Plan, fresh: Plan, path: Path) -> Plan:
    """Return the kept plan, unless its target now means another label; other changes of the dataset are reported.

    Raises:
        PlanError: Its target's value bears another name in the dataset.
    """
    if kept.target_name != fresh.target_name:
        raise PlanError(
            f"{path}: planned for target {kept.label} named {kept.target_name}, which dataset.json now names"
            f" {fresh.target_name}; correct one of them, or add --overwrite to plan anew"
        )
    theirs, ours = kept.normalisation, fresh.normalisation
    if kept.modality != fresh.modality:
        warn(
            f"{path}: planned for {kept.modality or 'no modality'}, dataset.json now says"
            f" {fresh.modality or 'none'}; kept: --overwrite plans anew"
        )
    elif theirs.scheme == "dataset" and not (theirs.low < ours.high and ours.low < theirs.high):
        warn(
            f"{path}: clips to {theirs.low:g} to {theirs.high:g}, but the target now measures {ours.low:g} to"
            f" {ours.high:g}; kept: --overwrite plans anew"
        )
    return kept


def _save_splits(
    folds: Splits, path: Path, usable: Sequence[str], left_out: Sequence[str], *, replace: bool
) -> Splits:
    """Keep folds whose cases are all there: they may be the user's own, or have trained networks already.

    Cases that are left out since they cannot be used now leave the kept folds too.
    """
    if path.exists() and not replace:
        found = load_record(Splits, path)
        kept = without_cases(found, left_out)
        usable_ids = set(usable)
        gone = sorted(kept.case_ids - usable_ids)
        if gone:
            raise PlanError(
                f"{path}: names {len(gone)} cases that the dataset no longer has, such as {gone[0]}; give --splits"
                " FILE, or --overwrite to make plan, folds and cases anew"
            )
        new = sorted(usable_ids - kept.case_ids)
        if new:
            warn(f"{path}: kept; {len(new)} cases are in none of its folds, such as {new[0]}")
        if kept is not found:
            named = sorted(found.case_ids - kept.case_ids)
            warn(f"{path}: bad cases leave its folds: {', '.join(named)}")
            save_record(kept, path)
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
    changed = set(plan.cases) ^ {case.case_id for case in fingerprint.cases}
    if kept and plan.cases and changed:
        warn(
            f"the plan kept was made from {len(plan.cases)} cases, not from the {len(fingerprint.cases)} there are"
            " now; --overwrite plans anew"
        )
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
