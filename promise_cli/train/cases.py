"""Read the cases of a fold from splits.json, and check them before a training begins."""

from collections.abc import Sequence
from pathlib import Path

from promise_cli.console import counted, track, warn
from promise_cli.dataset.case import check_voxels, made_with
from promise_cli.dataset.case_arrays import format_in
from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Split, Splits
from promise_cli.disk.records import load_record
from promise_cli.disk.workspace import ALL, Fold
from promise_cli.errors import DatasetError, PlanError


def read_split(preprocessed: Path, fold: Fold, plan: Plan) -> Split:
    """Read a fold of splits.json, and check that its training and validation cases are there.

    The fold `all` trains on every case of all folds. It has neither validation nor test cases.

    Raises:
        PlanError: There is no such fold, or it has no training case.
        DatasetError: A case is missing, damaged or made with another plan.
    """
    path = preprocessed / "splits.json"
    splits = load_record(Splits, path)
    if fold == ALL:
        split = Split(tuple(sorted(splits.case_ids)), (), ())
    elif 0 <= fold < len(splits.folds):
        split = splits.folds[fold]
    else:
        raise PlanError(
            f"{path}: no fold {fold}; use --fold 0 to {len(splits.folds) - 1}, or {ALL} (a dataset's number goes before"
            " --fold, or after -d)"
        )
    stale = [
        case
        for case in (*split.train, *split.val)
        if not made_with(plan, preprocessed / "cases" / case)
    ]
    if stale:
        raise DatasetError(
            f"{preprocessed / 'cases'}: {counted(len(stale), 'case')} of fold {fold} {describe_stale(len(stale))},"
            f" such as {stale[0]}; run promise-preprocess {preprocessed.name} again"
        )
    _warn_of_mixed_formats((*split.train, *split.val), plan, preprocessed)
    if not split.train:
        raise PlanError(f"{path}: fold {fold} has no training case; correct the file")
    return split


def _warn_of_mixed_formats(cases: Sequence[str], plan: Plan, preprocessed: Path) -> None:
    """Warn if a change of the cases' format was stopped half-way. The voxels are the same in both formats."""
    found = [
        case for case in cases if format_in(preprocessed / "cases" / case) != plan.cases_format
    ]
    if found:
        warn(
            f"{preprocessed / 'cases'}: {counted(len(found), 'case', 'are')} not stored as {plan.cases_format}, such as"
            f" {found[0]}; the voxels are the same, and promise-preprocess {preprocessed.name} writes them again"
        )


def describe_stale(number: int) -> str:
    """Return the end of a sentence about this many cases that cannot be used, with its verb."""
    return f"{'is' if number == 1 else 'are'} missing, damaged or made with another plan"


def check_cases(cases: Sequence[str], cases_dir: Path) -> None:
    """Read cases once, because NaN or a damaged target would spoil the network."""
    for case in track(cases, "checking cases", len(cases)):
        check_voxels(cases_dir, case)
