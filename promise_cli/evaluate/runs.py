"""A table of all training runs of a workspace."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promise_cli.console import show_table
from promise_cli.disk.records import load_json
from promise_cli.disk.run_names import run_name
from promise_cli.disk.workspace import Workspace, checkpoint_of, open_workspace
from promise_cli.errors import PromiseError, WorkspaceError
from promise_cli.evaluate.trained import means_of, trained_scores
from promise_cli.network.unfinished import epochs_done
from promise_cli.scores import METRICS_FILE, CaseScore
from promise_cli.scores.statistics import format_number
from promise_cli.scores.tolerances import TRAINING_TOLERANCE_MM

UNKNOWN = "?"
"""What the table shows for a value that is not in the files of a run."""


@dataclass(frozen=True)
class TrainedRun:
    """One run, as far as its files describe it."""

    dataset: str
    network: str
    name: str
    preset: str
    epochs: str
    """Number of epochs that were asked for."""
    fold: str
    epochs_done: int
    scores: tuple[CaseScore, ...] | None
    """Scores of the test cases; None if the run is not finished, or if they cannot be read."""

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """Values that all runs in one row of the table share."""
        return self.dataset, self.network, self.preset, self.name, self.epochs

    @property
    def is_done(self) -> bool:
        """Whether all epochs are done."""
        return self.epochs == str(self.epochs_done)


def list_runs(root: Path | None = None, dataset: str | None = None) -> list[TrainedRun]:
    """Read all runs of a workspace, or those of a dataset, sorted by folder.

    Raises:
        WorkspaceError: There is no run.
    """
    workspace = open_workspace(root)
    place = workspace.results_of(dataset)
    runs = [path for path in sorted(place.rglob("fold_*")) if checkpoint_of(path) is not None]
    if not runs:
        raise WorkspaceError(f"{place}: no training run; run promise-train --fold 0 first")
    return [_read_run(path, workspace) for path in runs]


def show_runs(runs: Sequence[TrainedRun]) -> None:
    """Print a row for all folds that were trained alike. Each case counts once in the means."""
    rows: dict[tuple[str, ...], list[TrainedRun]] = {}
    for run in runs:
        rows.setdefault(run.row, []).append(run)
    columns = ("dataset", "network", "preset", "name", "epochs", "folds done", "unfinished")
    scores = ("cases", "Dice", f"NSD {TRAINING_TOLERANCE_MM:g} mm")
    show_table("Runs", (*columns, *scores), [_row(row, group) for row, group in rows.items()])


def _row(row: tuple[str, ...], runs: Sequence[TrainedRun]) -> list[str]:
    done = " ".join(run.fold for run in runs if run.is_done)
    others = ", ".join(f"{run.fold} (epoch {run.epochs_done})" for run in runs if not run.is_done)
    number, *means = means_of(score for run in runs for score in run.scores or ())
    return [
        *row,
        done or "-",
        others or "-",
        str(number),
        *(format_number(mean, 4) for mean in means),
    ]


def _read_run(path: Path, workspace: Workspace) -> TrainedRun:
    parts = path.relative_to(workspace.results).parts
    group = path.parent
    network = group.name.partition("__")[0] if len(parts) > 2 else "promise"
    try:
        done = epochs_done(path / "log.csv")
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        done = 0
    try:
        scores = trained_scores(path) if (path / METRICS_FILE).exists() else None
    except PromiseError:
        scores = None
    calls = _load(path / "run.json").get("sessions")
    last = calls[-1] if isinstance(calls, list) and calls and isinstance(calls[-1], dict) else {}
    return TrainedRun(
        dataset=parts[0],
        network=network,
        name=(run_name(group) if len(parts) > 2 else None) or "-",
        preset=str(last.get("preset") or UNKNOWN),
        epochs=str(_load(path / "config.json").get("epochs", UNKNOWN)),
        fold=path.name.removeprefix("fold_"),
        epochs_done=done,
        scores=scores,
    )


def _load(path: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one if the file is missing or damaged, since the table needs no file."""
    try:
        content = load_json(path)
    except (PromiseError, OSError):
        return {}
    return content if isinstance(content, dict) else {}
