"""Write the folds of a dataset, or keep those that exist."""

from collections.abc import Sequence
from pathlib import Path

from promise_cli.console import counted, warn
from promise_cli.dataset.splits import Splits, without_cases
from promise_cli.disk.atomic import first_free
from promise_cli.disk.records import load_record, save_record
from promise_cli.errors import PlanError, listed


def save_splits(
    folds: Splits, path: Path, usable: Sequence[str], left_out: Sequence[str], *, replace: bool
) -> Splits:
    """Write the folds, or keep existing ones, and return those that are now in the file.

    Existing folds are kept because they may be the user's own, or networks may have been trained on them. Cases that
    are left out because they cannot be used are removed from the kept folds as well.

    Raises:
        PlanError: The kept folds name a case that is no longer in the dataset.
    """
    if path.exists() and not replace:
        found = load_record(Splits, path)
        kept = without_cases(found, left_out)
        usable_ids = set(usable)
        gone = sorted(kept.case_ids - usable_ids)
        if gone:
            raise PlanError(
                f"{path}: names {counted(len(gone), 'case')} that the dataset no longer has, such as {gone[0]}; give"
                " --splits FILE, or --overwrite to make plan, folds and cases anew"
            )
        new = sorted(usable_ids - kept.case_ids)
        if new:
            warn(
                f"{path}: kept; none of its folds has {counted(len(new), 'new case')}, such as {new[0]}"
            )
        if kept is not found:
            named = sorted(found.case_ids - kept.case_ids)
            warn(f"{path}: bad cases are removed from its folds: {listed(named)}")
            _keep_copy(path, kept)
            save_record(kept, path)
        return kept
    if path.exists():
        _keep_copy(path, folds)
    save_record(folds, path)
    return folds


def _keep_copy(path: Path, folds: Splits) -> None:
    """Keep folds that are about to be replaced by others, since a person may have written them."""
    try:
        if load_record(Splits, path).folds == folds.folds:
            return
    except PlanError:
        pass  # a damaged file may hold the user's own folds, too
    copy = first_free(path.parent, path.stem, path.suffix)
    path.replace(copy)
    warn(f"{path}: the earlier folds are kept as {copy.name}; --splits {copy} uses them again")
