"""Locks that keep two commands from working on the same thing. A lock ends with the process that holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from promise_cli.console import warn
from promise_cli.disk.reasons import TOO_MANY_OPEN

PATIENCE = 5.0
"""Seconds to wait for a lock before a message says what the command is waiting for."""


@contextmanager
def claim(path: Path, *, wait: bool = True) -> Iterator[bool | None]:
    """Hold the lock of the file `path` while the block runs.

    The system releases the lock of a process that dies. On a file system without locks the block runs without one.
    Two commands may then do the same work. This costs time but does no harm, because files are written whole.

    Args:
        path: Lock file. It is made if it is missing, and it is not deleted afterwards.
        wait: Whether to wait while another process holds the lock.

    Yields:
        True if this process holds the lock, False if another one does, None if the file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        _acquire(lock, wait)
    except Timeout:
        yield False
        return
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno in TOO_MANY_OPEN:
            raise
        yield None
        return
    try:
        yield True
    finally:
        lock.release()


def _acquire(lock: FileLock, wait: bool) -> None:
    try:
        lock.acquire(timeout=PATIENCE if wait else 0)
    except Timeout:
        if not wait:
            raise
        warn(f"{lock.lock_file}: another command holds this lock; waiting for it")
        lock.acquire(timeout=-1)
