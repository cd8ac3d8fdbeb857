"""Where a matrix is worked on, and where what it found is kept."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evidence.matrix import Matrix, Row

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
KEPT_OF_RUN = ("config.json", "run.json", "log.csv", "progress.png")


def write_json(content: Any, path: Path) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.replace(path)


@dataclass(frozen=True)
class Place:
    """The folders of one matrix."""

    matrix: Matrix
    data: Path
    """The dataset's folder in MSD layout."""
    work: Path
    """Grows by preprocessed cases, checkpoints and masks."""
    weights: Path | None = None
    """Pretrained weights for the rows that want them."""
    results: Path = RESULTS
    """Small files to commit."""

    @property
    def shared(self) -> Path:
        """What all rows share."""
        return self.work / self.matrix.name / "shared"

    @property
    def images(self) -> Path:
        """The test cases' scans."""
        return self.shared / "test"

    @property
    def points(self) -> Path:
        """One click on each test case."""
        return self.kept / "points.json"

    @property
    def kept(self) -> Path:
        """Results of the matrix."""
        return self.results / self.matrix.name

    def root(self, row: Row) -> Path:
        """A row's workspace, in which its commands run with relative paths only."""
        return self.work / self.matrix.name / row.name

    def run_of(self, row: Row) -> Path:
        """A row's run."""
        return self.root(row) / "results" / self.matrix.dataset / row.run

    def kept_of(self, row: Row) -> Path:
        """Results of a row."""
        return self.kept / row.name

    def open_root(self, row: Row) -> Path:
        """Make a row's workspace: links to dataset, cases, test scans, clicks and weights."""
        root = self.root(row)
        root.mkdir(parents=True, exist_ok=True)
        links = {
            self.matrix.dataset: self.data,
            "preprocessed": self.shared / "preprocessed",
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
