"""Whether the run that a checkpoint lies in has come to its end."""

import csv
from collections.abc import Iterable
from pathlib import Path

from promise_cli.console import warn
from promise_cli.disk.records import load_json
from promise_cli.disk.workspace import BEST, LAST
from promise_cli.errors import PromiseError


def warn_of_unfinished(checkpoints: Iterable[Path]) -> None:
    """Say of which of them the training has not ended."""
    for checkpoint in checkpoints:
        if sentence := unfinished(checkpoint):
            warn(sentence)


def unfinished(checkpoint: Path) -> str:
    """A sentence about a training that has not ended; empty where it has, or where the folder does not tell.

    The folder of a run tells by `config.json` how many epochs are asked for, and by `log.csv` how many are done. A
    checkpoint that lies elsewhere, or bears another name, is taken as it is.
    """
    run = checkpoint.parent
    if checkpoint.name not in (BEST, LAST) or not (run / LAST).is_file():
        return ""
    try:
        asked = load_json(run / "config.json")["epochs"]
        done = _epochs_done(run / "log.csv")
        if done >= asked:
            return ""
    except (PromiseError, OSError, ValueError, KeyError, TypeError):
        return ""  # what is damaged there does not keep a network from predicting
    return f"{checkpoint}: {done} of {asked} epochs of its training are done; promise-train --resume goes on with it"


def _epochs_done(log: Path) -> int:
    """By the last row; 0 without a log, before the first epoch's end."""
    if not log.is_file():
        return 0
    with log.open(encoding="utf-8", newline="") as file:
        return max((int(row["epoch"]) for row in csv.DictReader(file)), default=0)
