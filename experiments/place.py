"""The folders in which a matrix is worked on, and those in which its results are kept."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.matrix import Matrix, Row
from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Split, Splits
from promise_cli.disk.atomic import write_text
from promise_cli.disk.records import load_json, load_record
from promise_cli.disk.workspace import Workspace, checkpoint_of
from promise_cli.train.start import run_folder
from promise_cli.train.train_request import TrainRequest

RESULTS = Path(__file__).resolve().parent / "results"
KEPT_OF_RUN = ("config.json", "run.json", "log.csv")


def write_json(content: Any, path: Path) -> None:
    """Write a JSON file, completely or not at all."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def summarize(meaning: dict[str, str], cases: dict[str, dict[str, float | None]]) -> dict[str, Any]:
    """Return what is kept of a measurement: what its values mean, their means over the cases that have one, and all."""
    means = {}
    for name in meaning:
        values = [value for case in cases.values() if (value := case[name]) is not None]
        if values:
            means[name] = fmean(values)
    return {"meaning": meaning, "mean": means, "cases": cases}


@dataclass(frozen=True)
class Place:
    """The folders of one matrix."""

    matrix: Matrix
    data: Path
    """Folder of the dataset in MSD layout."""
    work: Path
    """Folder for preprocessed cases, checkpoints and masks."""
    weights: Path | None = None
    """File of pretrained weights for the rows that start from them."""
    results: Path = RESULTS
    """Folder of the small files to commit."""

    @property
    def shared(self) -> Path:
        """Folder of what all rows share."""
        return self.work / self.matrix.name / "shared"

    @property
    def preprocessed(self) -> Path:
        """Folder of the preprocessed dataset."""
        return Workspace(self.shared).preprocessed / self.matrix.dataset

    @property
    def plan(self) -> Plan:
        """Plan of all rows."""
        return load_record(Plan, self.preprocessed / "plans.json")

    @property
    def fold(self) -> Split:
        """Training, validation and test cases of all rows."""
        return load_record(Splits, self.preprocessed / "splits.json").folds[self.matrix.fold]

    @property
    def images(self) -> Path:
        """Folder of the test cases' scans."""
        return self.shared / "test"

    @property
    def points(self) -> Path:
        """File with one click on each test case."""
        return self.kept / "points.json"

    @property
    def kept(self) -> Path:
        """Folder of the matrix's results."""
        return self.results / self.matrix.name

    def root(self, row: Row) -> Path:
        """Return a row's workspace. Its commands run there with relative paths only."""
        return self.work / self.matrix.name / row.name

    def run_of(self, row: Row) -> Path:
        """Return the folder of a row's run."""
        return self.root(row) / self.run_from_root(row)

    def checkpoint_of(self, row: Row) -> Path:
        """Return the checkpoint with which a row predicts.

        Raises:
            FileNotFoundError: The row is not trained.
        """
        path = checkpoint_of(self.run_of(row))
        if path is None:
            raise FileNotFoundError(f"{self.run_of(row)}: no checkpoint; train the row first")
        return path

    def run_from_root(self, row: Row) -> Path:
        """Return the folder of a row's run relative to the row's workspace, as its commands name it."""
        clicks = row.clicks if row.network else None
        request = TrainRequest(fold=self.matrix.fold, network=row.network, clicks_as_channel=clicks)
        return run_folder(Workspace(Path()).results / self.matrix.dataset, request)

    def precision_of(self, row: Row) -> str:
        """Return the precision in which a row was trained, so that it predicts in the same one.

        On another machine `auto` may mean another precision.
        """
        return str(load_json(self.run_of(row) / "config.json")["precision"])

    def kept_of(self, row: Row) -> Path:
        """Return the folder of a row's results."""
        return self.kept / row.name

    def open_root(self, row: Row) -> Path:
        """Make a row's workspace with links to dataset, cases, test scans, clicks and weights, and return it."""
        root = self.root(row)
        root.mkdir(parents=True, exist_ok=True)
        links = {
            self.matrix.dataset: self.data,
            "preprocessed": self.preprocessed.parent,
            "test": self.images,
            "points.json": self.points,
        }
        if self.weights is not None:
            links[self.weights.name] = self.weights
        for name, target in links.items():
            link = root / name
            if not link.is_symlink():
                link.symlink_to(target.resolve())
        return root
