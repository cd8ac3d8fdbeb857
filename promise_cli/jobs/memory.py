"""How much memory and how many cores this process may use. In a batch job this is less than the machine has."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

_MEMBERSHIP, _MOUNT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return the number of cores that the scheduler gives this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int:
    """Return the free memory in bytes: that of the machine, or of the job's control group if that is less."""
    return max(0, min([psutil.virtual_memory().available, *free_in_groups()]))


def free_in_groups(membership: Path = _MEMBERSHIP, mount: Path = _MOUNT) -> Iterator[int]:
    """Yield the free bytes of each control group with a memory limit that this process belongs to.

    Both versions of control groups are read. Outside Linux, nothing is yielded.

    Args:
        membership: File that lists the control groups of this process.
        mount: Folder in which the control groups are mounted.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, names = mount, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            root = mount / "memory"
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if (free := _free(folder, *names)) is not None:
                yield free
            if folder == root:
                break


def _free(folder: Path, limit_name: str, used_name: str, cache_name: str) -> int | None:
    """Return the free bytes of one control group; None if the group has no limit."""
    try:
        limit = int((folder / limit_name).read_text())
        used = int((folder / used_name).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group, or "max"
        return None
    # The kernel frees cached contents of files as soon as memory is needed.
    return limit - (used - int(stat.get(cache_name, 0)))
