"""Two commands at once never work on the same thing: who works on it holds a lock, which ends with the process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from promise_cli.console import warn

PATIENCE = 5.0
"""Seconds of waiting after which a message says why nothing happens."""


@contextmanager
def claim(path: Path, *, wait: bool = True) -> Iterator[bool | None]:
    """Hold the lock of the file `path` while the block runs.

    The system releases the lock of a process that dies. Where a file system has no locks the block runs without one:
    then two commands may do the same work, which is lost time and no harm, since files appear whole.

    Args:
        path: Made where it is missing; left behind.
        wait: Whether to wait for another holder.

    Yields:
        True: the lock is held. False: another process works there. None: there are no locks here.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        _acquire(lock, wait)
    except Timeout:
        yield False
        return
    except (OSError, NotImplementedError):
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
