"""Explain errors of the system in one line: which file, what happened, and what to do."""

import errno
import os
import shutil
from pathlib import Path

from promise_cli.errors import format_bytes

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Errors of a disk that is full, and of a user who has filled a share of it."""
TOO_MANY_OPEN = (errno.EMFILE, errno.ENFILE)


def explain(error: OSError, path: Path | None = None, advice: str = "") -> str:
    """Return one line about an error of the system.

    Args:
        error: The error.
        path: File or folder to name if the error names none.
        advice: What to do about a missing permission.
    """
    if error.errno in TOO_MANY_OPEN:
        return f"{error.strerror}: {_limit()} may be open; allow more with ulimit -n 1024, or use fewer --workers"
    place = error.filename or path
    reason = error.strerror or str(error)
    if error.errno in FULL or _is_numpy_full(error):
        reason = os.strerror(errno.ENOSPC)
        return f"{place or 'the disk'}: {reason}; {room_at(place)}; make room, then run the command again"
    if error.errno in (errno.EAGAIN, errno.ENOMEM):
        return (
            f"{place or 'the system'}: {reason}; use fewer --workers, or a machine with more memory"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and advice:
        return f"{place or 'the disk'}: {reason}; {advice}"
    return f"{place or 'the disk'}: {reason}; check permissions and free space"


def _is_numpy_full(error: OSError) -> bool:
    """Whether numpy could not write all of an array. Its error has no number."""
    return error.errno is None and "requested and" in str(error)


def room_at(path: object) -> str:
    """Say which disk a file lies on, and how much of it is free. The file need not exist."""
    folder = Path(str(path or "."))
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    folder = folder.absolute()
    free = format_bytes(shutil.disk_usage(folder).free)
    while not folder.is_mount() and folder != folder.parent:
        folder = folder.parent
    return f"{free} of the disk {folder} are free"


def _limit() -> str:
    """Say how many files this process may have open."""
    if os.name != "posix":
        return "no more"
    import resource  # noqa: PLC0415  not on Windows

    return f"only {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}"
