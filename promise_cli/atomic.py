"""Files that appear whole or not at all."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STALE_S = 60.0
"""A lock that is older was left by a process that was killed; nobody holds one for so long."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, delete it otherwise.

    The temporary name is hidden and keeps all suffixes of `path`, because libraries choose the format by them.
    The bytes are flushed to the disk before the rename, so that a power cut leaves the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        yield temporary
        with temporary.open("r+b") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's records alone: several processes, also on several machines, may add to one file in turn.

    The lock is a hidden file, which is made only where there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / ".lock"
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            try:
                if time.time() - lock.stat().st_mtime > STALE_S:
                    lock.unlink(missing_ok=True)
            except FileNotFoundError:
                continue
            time.sleep(0.02)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
