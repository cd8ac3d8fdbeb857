"""Write files and folders so that they appear whole or not at all."""

import functools
import hashlib
import itertools
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = ".tmp-"
"""Start of the name of every file that is being written. Such files of a killed process may be deleted."""


_own: set[str] = set()
"""Temporary names of this process."""
OLD_S = 24 * 3600.0
"""Age from which an unfinished file is taken for left over, although its process cannot be looked for."""


def temporary_of(path: Path) -> Path:
    """Return a new hidden path next to `path`. No other process uses it, on this machine or another.

    The name holds the process that uses it, so that others can tell whether it still runs.
    """
    token = f"{_machine()}{os.getpid():07x}{secrets.token_hex(1)}"
    temporary = path.with_name(f"{PREFIX}{token}-{path.name}")
    _own.add(temporary.name)
    return temporary


def remove_left_over(path: Path) -> None:
    """Delete the unfinished files of processes that were killed while they wrote `path`.

    Those of running processes are kept. So are those of another machine, and of earlier versions, for a day.
    """
    names: list[str] = []
    with suppress(OSError), os.scandir(path.parent) as entries:  # a folder may be closed to readers
        names = [one.name for one in entries if one.name.startswith(PREFIX)]
    for name in names:
        temporary = path.with_name(name)
        with suppress(OSError):
            if target_of(temporary) == path.name and _is_left_over(temporary):
                temporary.unlink()


def _is_left_over(temporary: Path) -> bool:
    token = temporary.name.split("-", 2)[1]
    is_ours = re.fullmatch("[0-9a-f]{12}", token) and token.startswith(_machine())
    if is_ours and os.name == "posix":  # on Windows, os.kill would end the process
        return temporary.name not in _own and not _runs(int(token[3:10], 16))
    return time.time() - temporary.stat().st_mtime > OLD_S


def _runs(pid: int) -> bool:
    """Whether another process with this number runs."""
    # If this process has the number, an earlier one had it, too, as in a container that was started again.
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@functools.cache
def _machine() -> str:
    """Return three characters for this machine, or for this container, whose processes have numbers of their own."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    name = f"{platform.node()} {space}"
    return hashlib.sha256(name.encode(errors="replace")).hexdigest()[:3]


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

    Missing parent folders are made. What killed processes have left of the same file is deleted. The temporary name is
    hidden and keeps all suffixes of `path`, because libraries choose the format by them. The bytes are flushed to the
    disk before the rename, so that a power cut leaves the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left_over(path)
    temporary = temporary_of(path)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except OSError as error:
        _name_target(error, temporary, path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
        _own.discard(temporary.name)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; rename it to `path` when the block succeeds, delete it otherwise.

    If the folder `path` exists already, it is replaced. It is missing for a moment between the two renames.
    """
    temporary = temporary_of(path)
    try:
        temporary.mkdir(parents=True)
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
    except OSError as error:
        _name_target(error, temporary, path)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _name_target(error: OSError, temporary: Path, path: Path) -> None:
    """Let an error name the file or folder that was being written.

    The error of a full disk names no file, and a temporary name means nothing to a user.
    """
    if error.errno is not None and (
        error.filename is None or str(error.filename).startswith(str(temporary))
    ):
        error.filename = str(path)
        error.filename2 = None


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all.

    Half of a surrogate pair, as in names of files that are not UTF-8, is escaped. JSON reads it back.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _flush(path: Path) -> None:
    with path.open("r+b") as written:
        os.fsync(written.fileno())
