"""Write files and folders so that they appear whole or not at all."""

import itertools
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows; leftovers of a killed process then stay
    fcntl = None  # type: ignore[assignment]

_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]{8}-.+", re.DOTALL)
"""Pattern of the name of a file or folder that is being written."""
_LONGEST = 255
"""Largest number of bytes of a file's name."""


def temporary_of(path: Path) -> Path:
    """Return a new hidden path next to `path`. No other process uses it, on this machine or another.

    It ends like `path`. The beginning of a long name is left out.
    """
    prefix, name = f".tmp-{secrets.token_hex(4)}-", path.name
    while len(os.fsencode(prefix + name)) > _LONGEST >= len(os.fsencode(path.name)):
        name = name[1:]
    return path.with_name(prefix + name)


def is_temporary(path: Path) -> bool:
    """Whether a path has the name of an unfinished file or folder of this tool."""
    return _TEMPORARY.fullmatch(path.name) is not None


def first_free(folder: Path, stem: str, suffix: str = "") -> Path:
    """Return the first of `<stem>_1<suffix>`, `<stem>_2<suffix>`, ... that does not exist in a folder."""
    return next(
        place
        for number in itertools.count(1)
        if not (place := folder / f"{stem}_{number}{suffix}").exists()
    )


def remove_leftovers(folder: Path, names: Iterable[str] | None = None) -> None:
    """Delete the unfinished files and folders that killed processes have left. Those of running ones are kept.

    Args:
        folder: Folder to search. The folders within it are not searched. It may be missing.
        names: Names of the finished files whose leftovers are deleted; None: all.
    """
    known = None if names is None else set(names)
    with suppress(OSError):
        for path in list(folder.iterdir()) if folder.is_dir() else ():
            if not is_temporary(path) or path.is_symlink():
                continue
            if known is not None and path.name.split("-", 2)[2] not in known:
                continue
            if (handle := _lock(path)) is not None:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
                os.close(handle)


def _lock(path: Path) -> int | None:
    """Lock an unfinished file or folder itself, so that no other process takes it for a leftover.

    Returns:
        The open file that holds the lock until it is closed. None if another process holds the lock, or if the file
        system has no locks.
    """
    if fcntl is None:
        return None
    handle = -1
    try:
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if handle >= 0:
            os.close(handle)
        return None
    return handle


@contextmanager
def _unfinished(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield a new temporary file or folder next to `path`, which is locked, and delete what is left of it at the end.

    An error of the system names `path`, since a temporary name means nothing to a user.
    """
    temporary, handle = temporary_of(path), None
    try:
        if folder:
            temporary.mkdir(parents=True)
        else:
            temporary.touch()
        handle = _lock(temporary)
        yield temporary
    except OSError as error:
        named = "" if error.filename is None else os.fsdecode(error.filename)
        if named.startswith(str(temporary)) or (not named and error.errno is not None):
            # The error of a full disk names no file.
            error.filename = f"{path}{named.removeprefix(str(temporary))}"
            error.filename2 = None
        raise
    finally:
        if handle is not None:
            os.close(handle)
        if folder:
            shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):  # an error here would hide the first one; a renamed folder is gone
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it to `path` when the block succeeds, delete it otherwise.

    Missing parent folders are made. The temporary name is hidden and keeps all suffixes of `path`, because libraries
    choose the format by them. The bytes are flushed to the disk before the rename, so that a power cut leaves the old
    file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _unfinished(path) as temporary:
        yield temporary
        _flush(temporary)
        temporary.replace(path)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; rename it to `path` when the block succeeds, delete it otherwise.

    If the folder `path` exists already, it is replaced. It is missing for a moment between the two renames. The caller
    makes sure that it holds no files of others.
    """
    with _unfinished(path, folder=True) as temporary:
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


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all.

    Half of a surrogate pair, as in names of files that are not UTF-8, is escaped. JSON reads it back.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _flush(path: Path) -> None:
    with path.open("r+b") as written:
        os.fsync(written.fileno())
