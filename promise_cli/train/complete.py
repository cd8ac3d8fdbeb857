"""Decide whether the folder of a run whose epochs are done holds everything that a training writes."""

from collections.abc import Sequence
from pathlib import Path

from promise_cli.disk.workspace import BEST, FINAL
from promise_cli.train.curves import EpochLog, log_text
from promise_cli.train.provenance import is_recorded
from promise_cli.train.replacing import NOTE
from promise_cli.train.run_files import CONFIG, LOG, METRICS, PROGRESS


def is_complete(
    folder: Path,
    log: Sequence[EpochLog],
    *,
    has_final: bool,
    ends_with_best: bool,
    has_scores: bool,
) -> bool:
    """Whether a finished run has all its files. Some may be missing after a kill, or may have been deleted.

    Args:
        folder: Folder of the run.
        log: Epochs that are done.
        has_final: Whether the recipe predicts with the final checkpoint.
        ends_with_best: Whether the last checkpoint holds the best network. An earlier best network cannot be made
            again, so its file is not required.
        has_scores: Whether the fold has test cases, whose scores are written at the end.
    """
    wanted = [
        CONFIG,
        *([FINAL] if has_final else []),
        *([BEST] if ends_with_best else []),
        *(METRICS if has_scores else ()),
    ]
    return (
        not (folder / NOTE).exists()
        and is_recorded(folder)
        and has_curves(folder, log)
        and all((folder / name).exists() for name in wanted)
    )


def has_curves(folder: Path, log: Sequence[EpochLog]) -> bool:
    """Whether log.csv and progress.png exist and log.csv holds this log. An empty log needs neither."""
    path, picture = folder / LOG, folder / PROGRESS
    if not log:
        return True
    return path.exists() and picture.exists() and path.read_bytes() == log_text(log).encode()
