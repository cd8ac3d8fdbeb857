"""The command promise-preprocess: read a dataset folder, and write fingerprint, plan, folds and cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import counted, say, warn
from promise_cli.dataset.case import is_current
from promise_cli.dataset.case_arrays import check_format
from promise_cli.dataset.fingerprint import Fingerprint, make_fingerprint
from promise_cli.dataset.folder import Dataset, read_dataset
from promise_cli.dataset.objects import list_objects
from promise_cli.dataset.plan import CasesFormat, Plan
from promise_cli.dataset.splits import splits_of_dataset
from promise_cli.disk.ours import json_mark, refuse_foreign
from promise_cli.disk.records import load_record, save_record
from promise_cli.disk.workspace import open_workspace
from promise_cli.errors import PlanError
from promise_cli.geometry.grid import Spacing, format_shape, format_spacing
from promise_cli.jobs import Shard, claim, read_shard
from promise_cli.preprocess.channels import check_channels, show_channels
from promise_cli.preprocess.folds import save_splits
from promise_cli.preprocess.planning import Wanted, find_place, show_fit
from promise_cli.preprocess.room import check_room
from promise_cli.preprocess.targets import TargetRequest, announce, choose_target_of_plan
from promise_cli.preprocess.verify import Survey, survey_dataset
from promise_cli.preprocess.write import make_cases, refuse_foreign_cases, sweep

SCRATCH = ".preprocessing"
"""Folder below the root for measurements and locks, which only this command uses. It may be deleted."""
MARKS = {
    "fingerprint.json": json_mark("target_label", "percentile_00_5"),
    "plans.json": json_mark("target_label", "normalisation"),
}
"""Marks of the files that describe a preprocessed dataset. `splits.json` needs none, since earlier folds are kept."""


@dataclass(frozen=True)
class Preprocessed:
    """Result of the command."""

    folder: Path
    """Folder of the preprocessed dataset."""
    fingerprint: Fingerprint
    plan: Plan
    num_new: int
    """Number of cases that this command wrote; the others existed already."""
    num_there: int
    """Number of cases that exist now; less than in the fingerprint while other shards are still running."""
    shard: Shard
    """Part of the cases that this command had to write."""


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
    spacing: Spacing | None = None,
    patch_size: int | None = None,
    plan: str | None = None,
    objects: str | Sequence[str] | None = None,
    cases_format: CasesFormat | None = None,
) -> Preprocessed:
    """Verify a dataset, make its plan and folds, and write its cases.

    Nothing is written before all cases of the dataset have been read and found usable, even if only one shard is asked
    for. Fingerprint, plan and folds describe the whole dataset, so every shard makes the same ones.

    Args:
        task: The dataset: a path, `Task07_Pancreas`, `Task07`, `7` or `Dataset007_Pancreas`.
        root: The workspace.
        target_label: Name or number of the label to segment. Several labels together form one target.
        splits: A file of folds to use instead of our own.
        workers: Number of processes; 0 works in this process, None uses one per core.
        skip_bad: Whether to leave out cases that cannot be used, instead of stopping.
        shard: Part of the cases to write, such as `3/16`; None writes all.
        overwrite: Whether to make plan, folds and cases anew although they exist.
        spacing: Spacing of the plan in mm along i, j, k; None: that of an existing plan, otherwise 1 mm.
        patch_size: Edge of the plan's patch in voxels; None: that of an existing plan, otherwise 128.
        plan: Name of a further plan, which lies next to the plan without a name.
        objects: `each` for a network that segments any label or region of the dataset, the one that is clicked; or
            names of some of them. None: one target, or the objects of an existing plan.
        cases_format: How cases are stored: `npy` or `blosc2`; None: as those of an existing plan, otherwise `npy`.

    Raises:
        PromiseError: The folder, dataset.json, a case, an existing plan or the folds cannot be used.
    """
    part = read_shard(shard)
    workspace = open_workspace(root)
    place, wanted = find_place(workspace, task, plan), Wanted(spacing, patch_size, cases_format)
    request = TargetRequest(_as_tuple(target_label), _as_tuple(objects))
    folder = place.folder
    refuse_foreign(folder, MARKS, MARKS, "promise-preprocess", "move it away")
    kept = None if overwrite else _kept_plan(folder, wanted)
    check_format(cases_format if kept is None else kept.cases_format)
    dataset = read_dataset(
        place.raw,
        keep_broken=True,
        with_regions=bool(request.objects or (kept is not None and kept.objects)),
    )
    # Measurements depend on the target, but not on spacing or patch, so all plans of a dataset share this folder.
    measured = workspace.root / SCRATCH / dataset.name
    scratch = measured.with_name(folder.name)
    if overwrite:
        refuse_foreign_cases(folder / "cases", [case.case_id for case in dataset.cases])
    target = choose_target_of_plan(dataset, request, kept, folder / "plans.json")
    announce(dataset, target)
    survey = survey_dataset(
        dataset,
        target.labels,
        measured,
        workers=workers,
        shard=part,
        skip_bad=skip_bad,
        objects=target.objects,
    )
    fingerprint = make_fingerprint(
        dataset,
        _source(dataset, workspace.root),
        (target.labels, target.name),
        survey.measured,
        survey.left_out,
        survey.further,
        target.objects,
    )
    ids = [case.case_id for case in fingerprint.cases]
    left_out = [case.case_id for case in survey.left_out]
    folds = splits_of_dataset(dataset.name, ids, place.splits(splits), left_out)
    with claim(scratch / "locks" / "plan"):
        sweep(folder, measured)
        if not overwrite:  # another command may have made a plan in the meantime
            kept = _kept_plan(folder, wanted)
            choose_target_of_plan(dataset, target.request_again, kept, folder / "plans.json")
        made = wanted.plan(fingerprint)
        if kept is not None:
            made = _check_kept(kept, made, folder / "plans.json")
        check_format(made.cases_format)
        check_room(part.share(survey.usable), made, folder, overwrite=overwrite)
        replace = overwrite or splits is not None
        folds = save_splits(folds, folder / "splits.json", ids, left_out, replace=replace)
        save_record(fingerprint, folder / "fingerprint.json")
        save_record(made, folder / "plans.json")
    _show_plan(made, fingerprint, kept=kept is not None)
    show_fit(made, fingerprint)
    say(f"folds: {folds.source}")
    return _write(survey, fingerprint, made, folder, scratch, part, workers, overwrite=overwrite)


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
    """Write the cases of the shard, and count the cases that exist then."""
    cases_dir = folder / "cases"
    cases_dir.mkdir(parents=True, exist_ok=True)
    num_new = make_cases(
        shard.share(survey.usable), plan, folder, scratch, workers=workers, overwrite=overwrite
    )
    there = [
        is_current(one.files, plan, cases_dir, one.source, voxels=False) for one in survey.usable
    ]
    return Preprocessed(folder, fingerprint, plan, num_new, sum(there), shard)


def _as_tuple(asked: str | Sequence[str] | None) -> tuple[str, ...]:
    return (asked,) if isinstance(asked, str) else tuple(asked or ())


def _kept_plan(folder: Path, wanted: Wanted) -> Plan | None:
    path = folder / "plans.json"
    return wanted.applied(load_record(Plan, path) if path.exists() else None, path)


def _check_kept(kept: Plan, fresh: Plan, path: Path) -> Plan:
    """Return the existing plan if dataset.json still describes its target and channels, and warn about other changes.

    Raises:
        PlanError: dataset.json now gives the plan's target or an object another name, or declares another number of
            channels.
    """
    if len(kept.channels) != len(fresh.channels):
        raise PlanError(
            f"{path}: planned for {counted(len(kept.channels), 'channel')}, but dataset.json now declares"
            f" {len(fresh.channels)}; correct dataset.json, or add --overwrite to plan anew"
        )
    if kept.objects and kept.objects != fresh.objects:
        raise PlanError(
            f"{path}: planned for objects {list_objects(kept.objects)}, which dataset.json now describes as"
            f" {list_objects(fresh.objects)}; correct one of them, or add --overwrite to plan anew"
        )
    if kept.target_name != fresh.target_name:
        raise PlanError(
            f"{path}: planned for target {kept.label} named {kept.target_name}, which dataset.json now names"
            f" {fresh.target_name}; correct one of them, or add --overwrite to plan anew"
        )
    check_channels(kept, fresh, path)
    return kept


def _source(dataset: Dataset, root: Path) -> str:
    """Return the dataset's folder, relative to the root if it lies below it, so that a workspace can be moved."""
    try:
        return dataset.folder.absolute().relative_to(root.absolute()).as_posix()
    except ValueError:
        return str(dataset.folder.absolute())


def _show_plan(plan: Plan, fingerprint: Fingerprint, *, kept: bool) -> None:
    changed = set(plan.cases) ^ {case.case_id for case in fingerprint.cases}
    if kept and plan.cases and changed:
        warn(
            f"the existing plan was made from {counted(len(plan.cases), 'case')}, but the dataset now has"
            f" {len(fingerprint.cases)}; the plan is kept, --overwrite plans anew"
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
    show_channels(plan)
