"""The rule about files that exist already: a command replaces or removes only what it can see that this tool wrote.

Each kind of output has a mark, which is a pattern that its files hold and files of others do not. An empty file has
nothing to lose, so it may be replaced. `--overwrite` allows replacing results of this tool, never a file of others.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from promise_cli.disk.atomic import is_temporary
from promise_cli.errors import WorkspaceError

Mark = re.Pattern[str]
Marks = Mapping[str, Mark]
"""Marks by file name."""

MOST_BYTES = 1_000_000
"""Number of bytes at the beginning of a file in which a mark is looked for."""


def json_mark(*fields: str) -> Mark:
    """Return the mark of a JSON file that names all of these fields."""
    return re.compile("(?s)" + "".join(rf'(?=.*"{re.escape(name)}"\s*:)' for name in fields))


def generator_mark(generator: str) -> Mark:
    """Return the mark of all pages that a generator wrote."""
    return re.compile(rf'<meta name="generator" content="{re.escape(generator)}"')


def is_marked(path: Path, mark: Mark) -> bool:
    """Whether a file exists and holds a mark. Its bytes are compared as Latin-1, so it may be of any kind."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return mark.search(file.read(MOST_BYTES).decode("latin-1")) is not None


def is_foreign(path: Path, mark: Mark) -> bool:
    """Whether something exists that must not be replaced: anything but an empty file or a file with the mark."""
    if not path.exists() and not path.is_symlink():
        return False
    return not path.is_file() or (path.stat().st_size > 0 and not is_marked(path, mark))


def refuse_foreign(
    folder: Path, marks: Marks, names: Iterable[str], writer: str, advice: str
) -> None:
    """Refuse to work in a folder in which an output would replace a file of others.

    Args:
        folder: Folder of the outputs. It may be missing.
        marks: Marks of the outputs by file name.
        names: Names of the files that the command may write or remove.
        writer: Name of the command, for the message.
        advice: What to do, for the message.

    Raises:
        WorkspaceError: There is such a file.
    """
    for name in names:
        if is_foreign(folder / name, marks[name]):
            raise foreign_error(folder / name, writer, advice)


def foreign_error(path: Path, writer: str, advice: str) -> WorkspaceError:
    """Return the error for a file of others in the place of an output."""
    return WorkspaceError(f"{path}: exists already, and was not written by {writer}; {advice}")


def remove_marked(folder: Path, marks: Marks, names: Iterable[str]) -> None:
    """Delete the named files that hold their mark. Files of others are kept."""
    for name in names:
        if is_marked(folder / name, marks[name]):
            (folder / name).unlink()


def first_other(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first file in a folder that has none of the names and is not an unfinished file of this tool.

    A folder is replaced as a whole, so everything in it must be an output. Return the path itself if it is not a
    folder, and None if nothing exists there.
    """
    if not folder.exists() and not folder.is_symlink():
        return None
    if folder.is_symlink() or not folder.is_dir():
        return folder
    known = set(names)
    others = (
        path
        for path in sorted(folder.iterdir())
        if path.name not in known and not is_temporary(path)
    )
    return next(others, None)
