"""Locks that keep two commands from working on the same thing. A lock ends with the process that holds it."""

import glob
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from promise_cli.console import warn
from promise_cli.disk.reasons import TOO_MANY_OPEN
from promise_cli.errors import WorkspaceError

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

    Raises:
        WorkspaceError: The file is not empty, so it is not a lock. The lock would empty it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() or (path.exists() and path.stat().st_size):
        raise WorkspaceError(f"{path}: a lock is needed there, found other content; move it away")
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


@contextmanager
def claim_jointly(path: Path, purpose: str, part: str | None) -> Iterator[bool | None]:
    """Hold a lock together with other processes that work on other parts for the same purpose.

    Each process holds a lock file of its own, `<path>.<purpose>-<part>`, which is deleted afterwards.

    Args:
        path: Lock file that is held, as by `claim`, while the lock files of the other processes are examined.
        purpose: Name of the purpose: eight characters without a hyphen.
        part: Name of the part; None for all of it, so that no other process may work on it.

    Yields:
        True if this process holds the lock, False if the lock of another process excludes it, None if the file system
        has no locks.
    """
    own = path.with_name(f"{path.name}.{purpose}-{part or 'all'}")
    with ExitStack() as stack:
        with claim(path) as free:
            held = free and not _is_excluded(path, own)
            mine = stack.enter_context(claim(own, wait=False)) if held else held
        try:
            yield mine
        finally:
            if mine:
                with claim(path):
                    stack.close()
                    own.unlink(missing_ok=True)


def _is_excluded(path: Path, own: Path) -> bool:
    """Whether another process holds a lock that excludes the lock `own`. Lock files of ended processes are deleted."""
    against = False
    for other in list(path.parent.glob(f"{glob.escape(path.name)}.????????-*")):
        with claim(other, wait=False) as left:
            if left:
                other.unlink(missing_ok=True)
            elif left is False:
                joint = (
                    other.name.rpartition("-")[0] == own.name.rpartition("-")[0] and other != own
                )
                against |= not joint or "all" in (own.name[-3:], other.name[-3:])
    return against


def _acquire(lock: FileLock, wait: bool) -> None:
    try:
        lock.acquire(timeout=PATIENCE if wait else 0)
    except Timeout:
        if not wait:
            raise
        warn(f"{lock.lock_file}: another command holds this lock; waiting for it")
        lock.acquire(timeout=-1)
