"""Write files and folders so that they appear whole or not at all."""

import itertools
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".tmp-"
"""Start of the name of every file that is being written. Such files of a killed process may be deleted."""


def temporary_of(path: Path) -> Path:
    """Return a new hidden path next to `path`. No other process uses it, on this machine or another."""
    return path.with_name(f"{PREFIX}{secrets.token_hex(4)}-{path.name}")


def first_free(folder: Path, stem: str, suffix: str = "") -> Path:
    """Return the first of `<stem>_1<suffix>`, `<stem>_2<suffix>`, ... that does not exist in a folder."""
    return next(
        place
        for number in itertools.count(1)
        if not (place := folder / f"{stem}_{number}{suffix}").exists()
    )


def target_of(temporary: Path) -> str | None:
    """Return the name of the file or folder that was being written; None if the given name is not a temporary one."""
    parts = temporary.name.split("-", 2)
    return parts[2] if temporary.name.startswith(PREFIX) and len(parts) == 3 else None


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it to `path` when the block succeeds, delete it otherwise.

    Missing parent folders are made. The temporary name is hidden and keeps all suffixes of `path`, because libraries
    choose the format by them. The bytes are flushed to the disk before the rename, so that a power cut leaves the old
    file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_of(path)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except OSError as error:
        # The error of a full disk names no file, and a temporary name means nothing to a user.
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
            error.filename2 = None
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; rename it to `path` when the block succeeds, delete it otherwise.

    If the folder `path` exists already, it is replaced. It is missing for a moment between the two renames.
    """
    temporary = temporary_of(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for written in temporary.iterdir():
            _flush(written)
        if path.exists():
            old = temporary_of(path)
            path.replace(old)
            temporary.replace(path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all.

    Half of a surrogate pair, as in names of files that are not UTF-8, is escaped. JSON reads it back.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _flush(path: Path) -> None:
    with path.open("r+b") as written:
        os.fsync(written.fileno())
