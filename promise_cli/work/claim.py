"""Two commands at once never work on the same thing: who works on it holds a lock, which ends with the process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


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
    lock = FileLock(path, timeout=-1 if wait else 0)
    try:
        lock.acquire()
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
