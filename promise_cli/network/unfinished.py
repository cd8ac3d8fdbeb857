"""Warn if a checkpoint for prediction belongs to a run whose training is not finished."""

import csv
from collections.abc import Iterable
from pathlib import Path

from promise_cli.console import warn
from promise_cli.disk.records import load_json
from promise_cli.disk.workspace import BEST, LAST
from promise_cli.errors import PromiseError


def warn_of_unfinished(checkpoints: Iterable[Path]) -> None:
    """Warn of each checkpoint whose run has not finished its training."""
    for checkpoint in checkpoints:
        if sentence := unfinished(checkpoint):
            warn(sentence)


def unfinished(checkpoint: Path) -> str:
    """Return a sentence that says how many epochs of a checkpoint's run are done.

    The run's `config.json` holds the number of epochs that were asked for, and its `log.csv` those that are done.

    Returns:
        The sentence, or an empty string if the training is finished. It is also empty if that cannot be found out,
        because the checkpoint has another name, lies outside a run's folder, or the run's files are damaged.
    """
    run = checkpoint.parent
    if checkpoint.name not in (BEST, LAST) or not (run / LAST).is_file():
        return ""
    try:
        asked = load_json(run / "config.json")["epochs"]
        done = epochs_done(run / "log.csv")
        if done >= asked:
            return ""
    except (PromiseError, OSError, ValueError, KeyError, TypeError, csv.Error):
        return ""  # a damaged log must not prevent a prediction
    return f"{checkpoint}: only {done} of {asked} epochs of the training are done; continue with promise-train --resume"


def epochs_done(log: Path) -> int:
    """Return the number of finished epochs in log.csv. Until the first epoch ends there is no file, which means 0."""
    if not log.is_file():
        return 0
    with log.open(encoding="utf-8", newline="") as file:
        return max((int(row["epoch"]) for row in csv.DictReader(file)), default=0)
