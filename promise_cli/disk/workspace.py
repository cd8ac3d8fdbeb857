"""Where everything lies under one root, and which thing is meant when a command leaves it out."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from promise_cli.errors import WorkspaceError

ROOT_VARIABLE = "PROMISE_ROOT"
FINAL, BEST, LAST = "checkpoint_final.pt", "checkpoint_best.pt", "checkpoint_last.pt"
"""A run's checkpoints, as prediction prefers them; training goes on from the last."""
MOST_NAMED = 5
"""So many runs are named in a message."""


@dataclass(frozen=True)
class Workspace:
    """The folders under one root."""

    root: Path

    @property
    def preprocessed(self) -> Path:
        """One folder a dataset: fingerprint.json, plans.json, splits.json, cases/."""
        return self.root / "preprocessed"

    @property
    def results(self) -> Path:
        """One folder a dataset, in it one a fold."""
        return self.root / "results"

    @property
    def predictions(self) -> Path:
        """One folder a set of predictions."""
        return self.root / "predictions"

    @property
    def weights(self) -> Path:
        """Files of pretrained weights."""
        return self.root / "weights"

    def find_raw_dataset(self, task: str) -> Path:
        """The dataset folder that `task` means: a path, `Task07_Pancreas`, `Task07`, `7` or `Dataset007_Pancreas`.

        Raises:
            WorkspaceError: Nothing or more than one folder fits.
        """
        given = Path(task)
        if given.is_dir() and (len(given.parts) > 1 or (given / "dataset.json").exists()):
            return given
        if len(given.parts) > 1:
            raise WorkspaceError(f"{given}: no such folder; give an MSD folder with dataset.json")
        searched = [folder for folder in (self.root, self.root / "raw") if folder.is_dir()]
        folders = [
            path for folder in searched for path in sorted(folder.iterdir()) if path.is_dir()
        ]
        there = [
            path
            for path in folders
            if (path / "dataset.json").exists() or _number(path.name) is not None
        ]
        return self._one(task, there, " and ".join(map(str, searched)) or str(self.root))

    def find_preprocessed(self, task: str | None) -> Path:
        """The preprocessed dataset that `task` means, or the only one.

        Raises:
            WorkspaceError: Nothing or more than one fits.
        """
        there = [path.parent for path in sorted(self.preprocessed.glob("*/plans.json"))]
        if task is not None and (Path(task) / "plans.json").exists():
            return Path(task)
        if not there:
            raise WorkspaceError(
                f"{self.preprocessed}: no preprocessed dataset; run promise-preprocess TASK first"
            )
        return self._one(task, there, str(self.preprocessed))

    def find_runs(self, run: Path | None, folds: Sequence[int]) -> tuple[Path, ...]:
        """The checkpoints that `-m` and `-f` mean: a file, a run's folder, a dataset's results, or the only run.

        Raises:
            WorkspaceError: Nothing fits, or more than one run where no fold is named.
        """
        if run is not None and run.is_file():
            return (run,)
        place = run if run is not None else self.results
        if not place.is_dir():
            raise WorkspaceError(f"{place}: no such run or checkpoint; {self._instead_of(run)}")
        if checkpoint_of(place) is not None:
            found = [place]
        else:
            # Of a dataset's results ProMISe's own come first; those of other networks lie in folders below.
            found = _runs(place.glob("fold_*")) or _runs(place.rglob("fold_*"))
        if not found:
            raise WorkspaceError(
                f"{place}: no checkpoint in it; run promise-train --fold 0 first, or give -m FILE"
            )
        if folds:
            found = self._of_folds(found, folds, place)
        elif len(found) > 1:
            shown = ", ".join(str(path.relative_to(place)) for path in found)
            one_dataset = len({path.parent for path in found}) == 1
            how = "-m RUN or -f FOLD" if one_dataset else f"-m RUN, such as -m {found[0]}"
            raise WorkspaceError(f"{place}: several runs fit ({shown}); choose with {how}")
        parents = sorted({path.parent for path in found})
        if len(parents) > 1:
            of_datasets = all(path.parent == self.results for path in parents)
            what = "datasets" if of_datasets else "datasets or networks"
            shown = ", ".join(
                path.name if of_datasets else str(path.relative_to(place)) for path in parents
            )
            raise WorkspaceError(
                f"{place}: runs of several {what} fit ({shown}); choose with -m RUN"
            )
        return tuple(
            checkpoint for path in found if (checkpoint := checkpoint_of(path)) is not None
        )

    def _instead_of(self, run: Path | None) -> str:
        """What to do where a run is not there: name one that is."""
        there = _runs(self.results.rglob("fold_*"))
        if run is None or not there:
            return "run promise-train --fold 0 first, or give -m FILE"
        more = ", ..." if len(there) > MOST_NAMED else ""
        return f"trained so far: {', '.join(map(str, there[:MOST_NAMED]))}{more}"

    def _of_folds(self, found: list[Path], folds: Sequence[int], place: Path) -> list[Path]:
        chosen = [path for path in found if path.name in {f"fold_{fold}" for fold in folds}]
        for fold in folds:
            if not any(path.name == f"fold_{fold}" for path in chosen):
                shown = ", ".join(path.name for path in found)
                raise WorkspaceError(
                    f"{place}: no checkpoint of fold {fold}; trained so far: {shown}"
                )
        return chosen

    def _one(self, task: str | None, there: list[Path], searched: str) -> Path:
        fits = there if task is None else [path for path in there if _means(task, path.name)]
        if len(fits) == 1:
            return fits[0]
        shown = ", ".join(path.name for path in (fits or there)) or "none"
        if fits:
            asked = "no task named, and" if task is None else f"'{task}':"
            raise WorkspaceError(f"{asked} several datasets fit in {searched}: {shown}; name one")
        raise WorkspaceError(
            f"'{task}': unknown task; searched {searched}; datasets there: {shown}"
        )


def checkpoint_of(run: Path) -> Path | None:
    """A run's checkpoint for prediction: of its end, where its recipe left one, else the best, else the last."""
    for name in (FINAL, BEST, LAST):
        if (run / name).is_file():
            return run / name
    return None


def _runs(folders: Iterable[Path]) -> list[Path]:
    """Those of some folders that hold a checkpoint, sorted."""
    return [path for path in sorted(folders) if checkpoint_of(path) is not None]


def open_workspace(root: Path | None) -> Workspace:
    """The workspace at `root`, else at $PROMISE_ROOT, else in the current folder."""
    if root is None:
        variable = os.environ.get(ROOT_VARIABLE, "").strip("\"'")  # Windows' cmd keeps the quotes
        root = Path(variable) if variable else Path()
    if root.exists() and not root.is_dir():
        raise WorkspaceError(f"{root}: the root must be a folder, found a file")
    return Workspace(root)


def _number(name: str) -> int | None:
    """7 for `Task07_Pancreas`, `Task07`, `Dataset007_Pancreas`, `007` and `7`."""
    match = re.fullmatch(r"(?:Task|Dataset)?0*(\d+)(?:_.*)?", name, re.IGNORECASE)
    return int(match.group(1)) if match else None


def _means(task: str, name: str) -> bool:
    if task.rstrip("/").lower() == name.lower():
        return True
    asked = re.fullmatch(r"(?:Task|Dataset)?0*(\d+)(_.*)?", task.rstrip("/"), re.IGNORECASE)
    if asked is None or int(asked.group(1)) != _number(name):
        return False
    return asked.group(2) is None or name.lower().endswith(asked.group(2).lower())
