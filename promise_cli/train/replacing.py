"""Replace an earlier run. Its files are removed as soon as the new run has a checkpoint, even if a kill comes between.

A note in the run's folder says which last checkpoint the earlier run had. As long as the note exists, the earlier run's
other files may still be there.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from promise_cli.console import warn
from promise_cli.disk.atomic import write_text
from promise_cli.disk.ours import remove_marked
from promise_cli.disk.workspace import BEST, FINAL, LAST
from promise_cli.scores import remove_study
from promise_cli.train.run_files import CONFIG, LOG, MARKS, METRICS, PROGRESS, curves_in

NOTE = ".replaces"
"""Name of the note. Its first line is the hash of the earlier last checkpoint; the others are TensorBoard's files."""

_HASH = re.compile(r"none|[0-9a-f]{64}")


def note_replacing(folder: Path, curves: Iterable[Path]) -> None:
    """Write the note, just before the first checkpoint of the new run is written.

    Args:
        folder: Folder of both runs.
        curves: TensorBoard's files of the earlier run.
    """
    write_text(folder / NOTE, "\n".join([_hash_of_last(folder), *(path.name for path in curves)]))


def finish_replacing(folder: Path) -> None:
    """Remove the earlier run's files if the last checkpoint is the new run's, and then remove the note.

    Without a note, nothing is done. A damaged note does not say which files are the earlier run's, so all files stay.
    """
    note = folder / NOTE
    if not note.exists():
        return
    earlier, *curves = note.read_bytes().decode("utf-8", errors="replace").split("\n")
    if not _HASH.fullmatch(earlier):
        warn(f"{note}: is damaged, so files of an earlier run may remain in this folder")
    elif earlier != _hash_of_last(folder):
        remove_marked(folder, MARKS, (BEST, FINAL, CONFIG, LOG, PROGRESS, *METRICS))
        remove_study(folder)
        for path in curves_in(folder):
            if path.name in curves:
                path.unlink(missing_ok=True)
    note.unlink()


def _hash_of_last(folder: Path) -> str:
    """Return the hash of the last checkpoint, which stays the same when the folder is copied; `none` without one."""
    path = folder / LAST
    if not path.exists():
        return "none"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
