"""Run a command where a folder is a small disk of its own, in a mount namespace that only this command sees."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


def run_on_small_disk(
    line: Sequence[object], disk: Path, size: str, before: str = "true", after: str = "true"
) -> subprocess.CompletedProcess[str]:
    """Run a command after mounting an empty disk of a certain size.

    Args:
        line: The command and its arguments.
        disk: Folder on which the disk is mounted.
        size: Size of the disk, such as `64k`.
        before: Shell commands that run before the command, with the disk in place.
        after: Shell commands that run after it. The disk is gone when they end.
    """
    namespace = (
        ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    )
    mount = f"mount -t tmpfs -o size={size} tmpfs {shlex.quote(str(disk))}"
    try:
        tried = subprocess.run([*namespace, "sh", "-c", mount], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("a small disk needs the program unshare")
    if tried.returncode:
        pytest.skip(f"mounting a small disk is not allowed here: {tried.stderr.decode()[:200]}")
    script = (
        f"{mount} && {before} && {shlex.join(map(str, line))}; status=$?; {after}; exit $status"
    )
    return subprocess.run(
        [*namespace, "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
