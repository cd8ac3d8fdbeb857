"""The folder of the results: what may be replaced in it, what goes, and whether it can be written to."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from promise_cli.disk.atomic import temporary_of
from promise_cli.errors import EvaluationError

Marks = Mapping[str, re.Pattern[str]]
"""File name -> what only a file that this command wrote holds."""

TOOL = re.compile(r'"tool":\s*"promise_cli ')
"""Mark of this tool in every JSON file of results."""
METHOD = re.compile(r"^promise_cli [^\s,:]+[,:] ", re.MULTILINE)
"""Mark of this tool in every Markdown file of results: the line that says how they were computed."""
MOST_CHARACTERS = 1_000_000
"""Number of characters of a file in which a mark is looked for."""


def claim_folder(
    folder: Path, marks: Marks, names: Iterable[str], writer: str = "promise-evaluate"
) -> None:
    """See, before anything is computed, that results can be written into a folder and replace nobody's file.

    Args:
        folder: Need not be there, and is not made.
        marks: Marks of all files that this command writes, by file name.
        names: Those that it is going to write.
        writer: The command.

    Raises:
        EvaluationError: The folder is a file or cannot be written to, or holds a file of these names that is not ours.
    """
    if folder.exists() and not folder.is_dir():
        raise EvaluationError(f"{folder}: results need a folder, found a file; give another -o")
    for name in names:
        path = folder / name
        if path.exists() and not is_marked(path, marks[name]):
            raise EvaluationError(
                f"{path}: exists already, and was not written by {writer}; name another folder with -o"
            )
    _probe(folder)


def remove_stale(folder: Path, marks: Marks, names: Iterable[str]) -> None:
    """Delete files of an earlier call that do not belong to the results that come now; others' stay."""
    for name in names:
        path = folder / name
        if path.exists() and is_marked(path, marks[name]):
            path.unlink()


def is_marked(path: Path, mark: re.Pattern[str]) -> bool:
    """Whether a file is there and holds a mark."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return mark.search(file.read(MOST_CHARACTERS)) is not None


def generator_mark(generator: str) -> re.Pattern[str]:
    """The mark of the pages that one generator wrote."""
    return re.compile(rf'<meta name="generator" content="{re.escape(generator)}"')


@contextmanager
def results_written(folder: Path) -> Iterator[None]:
    """Tell in one line which file could not be written, and what to do.

    Raises:
        EvaluationError: The block failed for a file or the disk.
    """
    try:
        yield
    except OSError as error:
        raise EvaluationError(
            f"{error.filename or folder}: cannot be written to ({error.strerror}); name another folder with -o"
        ) from None


def _probe(folder: Path) -> None:
    """Write into a folder, and leave no trace of that."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
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
        raise EvaluationError(
            f"{folder}: cannot be written to ({error.strerror}); name another folder with -o"
        ) from None
