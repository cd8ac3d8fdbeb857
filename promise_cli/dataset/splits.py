"""Divide cases into folds of training, validation and test cases.

There are five folds of 0.7 / 0.1 / 0.2, whose test sets share no case.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from promise_cli.console import counted
from promise_cli.disk.records import load_json, record_from_json
from promise_cli.errors import DatasetError, PlanError, listed, shorten

NUM_FOLDS = 5
PUBLISHED = ("Task07_Pancreas", "Task10_Colon")
"""Datasets whose folds the paper's authors published; the tables in the paper show fold 0."""


@dataclass(frozen=True)
class Split:
    """Case ids of one fold: for training, validation and test."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        everything = [*self.train, *self.val, *self.test]
        twice = sorted(case for case, count in Counter(everything).items() if count > 1)
        if twice:
            raise ValueError(f"case {twice[0]} is listed twice in one fold")


@dataclass(frozen=True)
class Splits:
    """All folds of a dataset; content of `splits.json`."""

    source: str
    """Sentence about where the folds come from."""
    folds: tuple[Split, ...]

    @property
    def case_ids(self) -> set[str]:
        """Ids of the cases of all folds."""
        return {case for fold in self.folds for case in (*fold.train, *fold.val, *fold.test)}


def make_splits(case_ids: Iterable[str], seed: int = 0) -> tuple[Split, ...]:
    """Divide the cases into five folds by a hash of seed and case id.

    The folds do not depend on a random generator's version. They hardly change when a case is added or removed.

    Raises:
        DatasetError: There are fewer than five cases.
    """
    ids = sorted(set(case_ids), key=lambda case: hashlib.sha256(f"{seed}:{case}".encode()).digest())
    if len(ids) < NUM_FOLDS:
        raise DatasetError(
            f"found {counted(len(ids), 'usable case')}; {NUM_FOLDS} folds need at least {NUM_FOLDS}: add cases"
        )
    num_val = max(1, round(0.1 * len(ids)))
    folds = []
    for fold in range(NUM_FOLDS):
        start, stop = (len(ids) * fold // NUM_FOLDS, len(ids) * (fold + 1) // NUM_FOLDS)
        rest = ids[stop:] + ids[:start]
        folds.append(
            Split(_sorted(rest[num_val:]), _sorted(rest[:num_val]), _sorted(ids[start:stop]))
        )
    return tuple(folds)


def splits_of_dataset(
    dataset: str,
    case_ids: Sequence[str],
    file: Path | None = None,
    left_out: Collection[str] = (),
) -> Splits:
    """Return the folds of a dataset: those of `file` if it is given, else the published ones, else our own.

    The published folds are used if they name all usable cases.

    Args:
        dataset: Folder name, such as `Task07_Pancreas`.
        case_ids: The usable cases.
        file: Our own `splits.json`, or nnU-Net's `splits_final.json`, whose val cases become the test cases.
        left_out: Cases of the dataset that cannot be used. They are removed from the folds of the file.

    Raises:
        PlanError: The file is missing or damaged.
        DatasetError: The file names a case that is not in the dataset, or there are fewer than five usable cases.
    """
    if file is not None:
        return _check_known(without_cases(_read_splits(file), left_out), case_ids, file)
    if dataset in PUBLISHED:
        published = _published(dataset)
        known = published.case_ids
        if known >= set(case_ids):
            return _only(published, set(case_ids), missing=len(known) - len(set(case_ids)))
    return Splits("five folds of 0.7 / 0.1 / 0.2 by a hash of the case ids", make_splits(case_ids))


def without_cases(splits: Splits, left_out: Collection[str]) -> Splits:
    """Return the folds without these cases; `source` then names the cases that were removed."""
    gone = splits.case_ids & set(left_out)
    if not gone:
        return splits
    kept = _only(splits, splits.case_ids - gone, missing=0)
    return Splits(f"{splits.source}; left out as bad: {listed(sorted(gone))}", kept.folds)


def _published(dataset: str) -> Splits:
    with resources.as_file(resources.files("promise_cli") / "data" / f"{dataset}.json") as path:
        return _read_splits(path)


def _read_splits(path: Path) -> Splits:
    content = load_json(path)
    if isinstance(content, list):  # nnU-Net's splits_final.json
        content = {
            "source": f"nnU-Net's {path.name}; its val cases are the test cases",
            "folds": content,
        }
        for fold in content["folds"]:
            if not isinstance(fold, dict) or set(fold) != {"train", "val"}:
                raise PlanError(f"{path}: expected a list of folds, each with train and val")
            fold["test"] = fold["val"]
            fold["val"] = []
    splits: Splits = record_from_json(Splits, content, str(path))
    if not splits.folds:
        raise PlanError(f"{path}: holds no fold; give at least one")
    return splits


def _check_known(splits: Splits, case_ids: Sequence[str], path: Path) -> Splits:
    known = set(case_ids)
    for number, split in enumerate(splits.folds):
        for case in (*split.train, *split.val, *split.test):
            if case not in known:
                raise DatasetError(
                    f"{path}: fold {number} names case {shorten(case)}, which is not in the dataset;"
                    " correct the file or add the case"
                )
    return splits


def _only(splits: Splits, keep: set[str], missing: int) -> Splits:
    source = splits.source + (f"; {missing} of their cases are missing here" if missing else "")
    folds = [
        Split(
            *(
                tuple(case for case in part if case in keep)
                for part in (fold.train, fold.val, fold.test)
            )
        )
        for fold in splits.folds
    ]
    return Splits(source, tuple(folds))


def _sorted(cases: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(cases))
