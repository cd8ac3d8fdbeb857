"""Folder of the results: which files in it may be replaced or deleted, and whether it can be written to."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from promise_cli.disk.atomic import first_free, remove_leftovers, temporary_of
from promise_cli.disk.ours import Marks, is_marked, refuse_foreign
from promise_cli.disk.reasons import FULL, TOO_MANY_OPEN, room_at
from promise_cli.errors import EvaluationError

TOOL = re.compile(r'"tool":\s*"promise_cli ')
"""Mark of promise_cli in every JSON file of results."""
METHOD = re.compile(r"^promise_cli [^\s,:]+[,:] ", re.MULTILINE)
"""Mark of promise_cli in every Markdown file of results: the line that says how they were computed."""


def claim_folder(
    folder: Path, marks: Marks, names: Iterable[str], writer: str = "promise-evaluate"
) -> None:
    """Check, before anything is computed, that results can be written into a folder and replace no foreign file.

    Args:
        folder: Folder of the results. It may be missing, and is not created.
        marks: Marks of all files that this command writes, by file name.
        names: Names of the files that it is going to write.
        writer: Name of the command, for messages.

    Raises:
        EvaluationError: The folder is a file or cannot be written to.
        WorkspaceError: It holds a file with one of these names that the command did not write.
    """
    if folder.exists() and not folder.is_dir():
        raise EvaluationError(f"{folder}: results need a folder, found a file; give another -o")
    refuse_foreign(folder, marks, names, writer, "name another folder with -o")
    _probe(folder)


def set_aside(folder: Path, marks: Marks) -> Path:
    """Move the files that earlier calls of this command wrote into the first free folder `evaluation_<n>` within.

    Returns:
        The folder to which they were moved.
    """
    place = first_free(folder, "evaluation")
    place.mkdir()
    for name, mark in marks.items():
        if is_marked(folder / name, mark):
            (folder / name).replace(place / name)
    return place


@contextmanager
def results_written(folder: Path) -> Iterator[None]:
    """Turn an error of writing into one line that says which file could not be written, and what to do.

    Raises:
        EvaluationError: The block raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in TOO_MANY_OPEN:
            raise
        room = f"; {room_at(folder)}" if error.errno in FULL else ""
        raise EvaluationError(
            f"{error.filename or folder}: cannot be written to ({error.strerror}{room}); name another folder with -o"
        ) from None


def _probe(folder: Path) -> None:
    """Check that a folder can be written to, and remove everything that was created for the check."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    remove_leftovers(folder, ["probe"])
    probe = temporary_of(folder / "probe")
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
        finally:
            if folder.is_dir():
                probe.unlink(missing_ok=True)
            for place in missing:
                if place.is_dir():
                    place.rmdir()
    except OSError as error:
        if error.errno in TOO_MANY_OPEN:
            raise
        raise EvaluationError(
            f"{folder}: cannot be written to ({error.strerror}); name another folder with -o"
        ) from None
