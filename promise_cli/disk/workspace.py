"""The folders of a workspace, and how a command finds the dataset or the run that the user means."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from promise_cli.disk.plan_names import (
    check_plan,
    default_runs,
    plan_folder,
    prefer_unnamed,
    split_plan,
)
from promise_cli.disk.run_names import choose_named
from promise_cli.disk.task_names import means, near_tasks, number_of
from promise_cli.errors import WorkspaceError, listed

ROOT_VARIABLE = "PROMISE_ROOT"
RAW_VARIABLE = "nnUNet_raw"
"""Variable that names nnU-Net's folder of raw datasets. It is searched only if no dataset of the workspace fits."""
FINAL, BEST, LAST = "checkpoint_final.pt", "checkpoint_best.pt", "checkpoint_last.pt"
"""Names of a run's checkpoints, in the order in which prediction prefers them. Training continues from `LAST`."""
Fold = int | Literal["all"]
"""Fold of splits.json, counted from 0, or `all`: training on every case."""
ALL: Literal["all"] = "all"
MOST_NAMED = 5
"""Largest number of runs that a message names."""


@dataclass(frozen=True)
class Workspace:
    """A root folder and the standard folders in it."""

    root: Path

    @property
    def preprocessed(self) -> Path:
        """Folder of the preprocessed datasets. Each holds fingerprint.json, plans.json, splits.json and cases/."""
        return self.root / "preprocessed"

    @property
    def results(self) -> Path:
        """Folder of the training runs, with a folder per dataset and in it a folder per fold."""
        return self.root / "results"

    @property
    def predictions(self) -> Path:
        """Folder of the predictions, with a folder per set of predictions."""
        return self.root / "predictions"

    @property
    def weights(self) -> Path:
        """Folder of the files of pretrained weights."""
        return self.root / "weights"

    def find_raw_dataset(self, task: str) -> Path:
        """Find the folder of a raw dataset.

        Args:
            task: A path, or a name such as `Task07_Pancreas`, `Task07`, `7` or `Dataset007_Pancreas`. A name is looked
                for in the root and in its folder `raw`, and if it is not there, in $nnUNet_raw.

        Raises:
            WorkspaceError: No folder fits, or more than one.
        """
        given = Path(task)
        if given.is_dir() and (len(given.parts) > 1 or (given / "dataset.json").exists()):
            return given
        if len(given.parts) > 1:
            raise WorkspaceError(f"{given}: no such folder; give an MSD folder with dataset.json")
        searched = [folder for folder in (self.root, self.root / "raw") if folder.is_dir()]
        there = _raw_datasets(searched)
        further = _folder_of(RAW_VARIABLE)
        if further is not None and not any(means(task, path.name) for path in there):
            searched.append(further)
            there += _raw_datasets([further])
        named = " and ".join(str(folder.absolute()) for folder in searched or [self.root])
        return self._one(task, there, named)

    def find_preprocessed(self, task: str | None) -> Path:
        """Find the folder of a preprocessed dataset.

        Args:
            task: A name as for `find_raw_dataset`, or the path of the preprocessed or of the raw dataset; None for the
                only preprocessed dataset. `@` and a name after it mean a named plan, as in `7@fine`.

        Raises:
            WorkspaceError: No dataset fits, or more than one.
        """
        there = [path.parent for path in sorted(self.preprocessed.glob("*/plans.json"))]
        if task is not None and (Path(task) / "plans.json").exists():
            return Path(task)
        if task is not None:  # the folder of the raw dataset means its preprocessed cases
            task = _name_of(task, ["dataset.json"])
            check_plan(task, there, self.preprocessed, "promise-preprocess")
        if not there:
            raise WorkspaceError(
                f"{self.preprocessed}: no preprocessed dataset; run promise-preprocess {task or 'TASK'} first"
            )
        if task is not None and not any(means(task, path.name) for path in there):
            names = [path.name for path in there]
            raise WorkspaceError(
                f"'{task}': not preprocessed yet in {self.preprocessed.absolute()}, which holds {listed(names)};"
                f" run promise-preprocess {task} first{near_tasks(task, names)}"
            )
        fits = [path for path in there if task is None or means(task, path.name)]
        return self._one(task, prefer_unnamed(fits), str(self.preprocessed))

    def find_runs(
        self,
        run: Path | None,
        folds: Sequence[Fold],
        name: str | None = None,
        dataset: str | None = None,
    ) -> tuple[Path, ...]:
        """Find the checkpoints that the options `-m`, `-f`, `--name` and `-d` select.

        Args:
            run: Value of `-m`: a checkpoint, a run's folder, or a dataset's results. None searches all results.
            folds: Values of `-f`; empty if only one run is meant.
            name: Value of `--name`; None prefers runs without a name.
            dataset: Value of `-d`; None searches all datasets.

        Returns:
            One checkpoint per run.

        Raises:
            WorkspaceError: No run fits, several runs fit although no fold is named, or the runs belong to several
                datasets or networks.
        """
        if run is not None and (name is not None or dataset is not None):
            option = "--name" if dataset is None else "-d"
            raise WorkspaceError(f"{option}: -m {run} names the run already; leave out one of them")
        if run is not None and run.is_file():
            return (run,)
        place = run if run is not None else self.results_of(dataset)
        if not place.is_dir():
            raise WorkspaceError(f"{place}: no such run or checkpoint; {self._instead_of(run)}")
        if checkpoint_of(place) is not None:
            found = [place]
        else:
            # In a dataset's results, runs of ProMISe lie directly and those of other networks one folder deeper.
            direct = _runs(place.glob("fold_*")) if name is None else []
            found = direct or choose_named(_runs(place.rglob("fold_*")), name, place)
        if not found:
            raise WorkspaceError(
                f"{place}: no checkpoint in it; run promise-train --fold 0 first, or give -m FILE"
            )
        if place == self.results:
            found = default_runs(found, place)
        if folds:
            found = self._of_folds(found, folds, place)
        elif len(found) > 1:
            shown = listed(path.relative_to(place) for path in found)
            one_dataset = len({path.parent for path in found}) == 1
            how = "-m RUN or -f FOLD" if one_dataset else f"-m RUN, such as -m {found[0]}"
            raise WorkspaceError(f"{place}: several runs fit ({shown}); choose with {how}")
        parents = sorted({path.parent for path in found})
        if len(parents) > 1:
            of_datasets = all(path.parent == self.results for path in parents)
            what = "datasets" if of_datasets else "datasets or networks"
            shown = listed(
                path.name if of_datasets else str(path.relative_to(place)) for path in parents
            )
            raise WorkspaceError(
                f"{place}: runs of several {what} fit ({shown}); choose with -m RUN"
            )
        return tuple(
            checkpoint for path in found if (checkpoint := checkpoint_of(path)) is not None
        )

    def results_of(self, dataset: str | None) -> Path:
        """Return the folder of a dataset's results, or of all results if no dataset is named."""
        if dataset is None:
            return self.results
        there = [path for path in sorted(self.results.glob("*")) if path.is_dir()]
        dataset = _name_of(dataset, ["dataset.json", "plans.json"])
        check_plan(dataset, there, self.results, "promise-train")
        fits = [path for path in there if means(dataset, path.name)]
        return self._one(dataset, prefer_unnamed(fits) or there, str(self.results.absolute()))

    def _instead_of(self, run: Path | None) -> str:
        """Return the advice for a run that is missing: the checkpoints or runs that exist, or how to train one."""
        if run is not None and (names := checkpoints_in(run.parent)):
            return f"its folder holds {names}"
        there = _runs(self.results.rglob("fold_*"))
        if run is None or not there:
            return "run promise-train --fold 0 first, or give -m FILE"
        return f"trained so far: {listed(there, MOST_NAMED)}"

    def _of_folds(self, found: list[Path], folds: Sequence[Fold], place: Path) -> list[Path]:
        """Return the runs of some folds; raise WorkspaceError for a fold without a run."""
        chosen = [path for path in found if path.name in {f"fold_{fold}" for fold in folds}]
        for fold in folds:
            if not any(path.name == f"fold_{fold}" for path in chosen):
                shown = listed(path.name for path in found)
                raise WorkspaceError(
                    f"{place}: no checkpoint of fold {fold}; trained so far: {shown}"
                )
        return chosen

    def _one(self, task: str | None, there: list[Path], searched: str) -> Path:
        """Return the only dataset of `there` that `task` names; raise WorkspaceError if none or several fit."""
        fits = there if task is None else [path for path in there if means(task, path.name)]
        if len(fits) == 1:
            return fits[0]
        shown = listed(path.name for path in (fits or there)) or "none"
        if fits:
            asked = "no task named, and" if task is None else f"'{task}':"
            raise WorkspaceError(f"{asked} several datasets fit in {searched}: {shown}; name one")
        raise WorkspaceError(
            f"'{task}': unknown task; searched {searched}; datasets there: {shown}; give the dataset's path, or --root"
            f"{near_tasks(str(task), [path.name for path in there])}"
        )


def checkpoint_of(run: Path) -> Path | None:
    """Return the checkpoint that prediction takes from a run's folder: the final one, else the best, else the last.

    Not every recipe writes a final one. None if the folder holds no checkpoint.
    """
    for name in (FINAL, BEST, LAST):
        if (run / name).is_file():
            return run / name
    return None


def checkpoints_in(folder: Path) -> str:
    """List the names of the checkpoint files of a folder for a message; an empty text if there are none."""
    names = sorted(path.name for path in folder.glob("[!.]*.pt"))
    return listed(names, MOST_NAMED)


def _runs(folders: Iterable[Path]) -> list[Path]:
    """Return the folders that hold a checkpoint, sorted."""
    return [path for path in sorted(folders) if checkpoint_of(path) is not None]


def open_workspace(root: Path | None) -> Workspace:
    """Return the workspace at `root`. If that is None, use $PROMISE_ROOT, otherwise the current folder.

    Raises:
        WorkspaceError: The root is a file.
    """
    if root is None:
        variable = os.environ.get(ROOT_VARIABLE, "").strip("\"'")  # cmd on Windows keeps the quotes
        root = Path(variable) if variable else Path()
    if root.exists() and not root.is_dir():
        raise WorkspaceError(f"{root}: the root must be a folder, found a file")
    return Workspace(root)


def _name_of(task: str, files: Sequence[str]) -> str:
    """Return the name of a dataset, and of its plan, if `task` is a folder with one of these files; else `task`."""
    base, plan = split_plan(task)
    for given, rest in ((task, None), (base, plan)):
        if any((Path(given) / file).exists() for file in files):
            return plan_folder(Path(given).resolve().name, rest)
    return task


def _folder_of(variable: str) -> Path | None:
    """Return the folder that an environment variable names; None if it is not set or names no folder."""
    value = os.environ.get(variable, "").strip("\"'")  # cmd on Windows keeps the quotes
    return Path(value) if value and Path(value).is_dir() else None


def _raw_datasets(folders: Iterable[Path]) -> list[Path]:
    """Return the folders that hold a dataset.json or are named like a dataset."""
    return [
        path
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.is_dir() and ((path / "dataset.json").exists() or number_of(path.name) is not None)
    ]
