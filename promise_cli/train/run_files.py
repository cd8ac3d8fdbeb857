"""The files in the folder of a run, and the marks by which a later call recognises them as its own."""

import re
from pathlib import Path

from promise_cli.disk.ours import Marks, is_marked, json_mark, refuse_foreign
from promise_cli.disk.workspace import BEST, FINAL, LAST
from promise_cli.network.checkpoint import FORMAT
from promise_cli.scores import MARKS as SCORE_MARKS
from promise_cli.train.provenance import FILE as CALLS_FILE
from promise_cli.train.watch import TENSORBOARD

METRICS = ("metrics.json", "metrics.csv", "metrics.md")
"""Files with the scores of the fold's test cases, written at the end."""
CONFIG, LOG, PROGRESS = "config.json", "log.csv", "progress.png"
PRINTED = "train.log"
"""File of everything that calls have printed, with times. Each call appends to it, even with `--overwrite`."""
_CHECKPOINT = re.compile(re.escape(FORMAT))
_CURVES = re.compile(
    r"\A\x89PNG.*?(?:Software\0promise_cli|IHDR\0\0\x03\x20\0\0\x01\xc2.*?Software\0Matplotlib)",
    re.DOTALL,
)
"""Mark of our own picture. Earlier versions left matplotlib's name in it, and its size was always 800 x 450."""
MARKS: Marks = {
    **dict.fromkeys((FINAL, BEST, LAST), _CHECKPOINT),
    CONFIG: json_mark("epochs", "patches_per_case"),
    CALLS_FILE: json_mark("sessions"),
    PRINTED: re.compile(r"\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d promise_cli "),
    LOG: re.compile(r"\Aepoch,learning_rate,loss,"),
    PROGRESS: _CURVES,
    **{name: SCORE_MARKS[name] for name in METRICS},
}
_BOARD = re.compile(r"loss/cross_entropy|\A.{0,200}\Z", re.DOTALL)
"""Mark of TensorBoard's files. One of a run that ended before its first epoch holds a short header alone."""


def refuse_foreign_run(folder: Path) -> None:
    """Refuse to train into a folder in which an output would replace a file of others, even with `--overwrite`.

    Raises:
        WorkspaceError: There is such a file.
    """
    refuse_foreign(folder, MARKS, MARKS, "promise-train", "move it away, or train another --fold")


def curves_in(folder: Path) -> tuple[Path, ...]:
    """Return TensorBoard's files in the folder of a run, except those with figures of others."""
    there = (folder / TENSORBOARD).glob("events.out.*")
    return tuple(path for path in there if is_marked(path, _BOARD))
