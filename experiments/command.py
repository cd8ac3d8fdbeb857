"""Run the project's commands as a user runs them, and measure their time and memory."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import say

CALL = "import sys; from promise_cli.cli import {name}_app; sys.argv[0] = 'promise-{name}'; {name}_app()"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Time and memory that one command took."""

    command: str
    status: int
    seconds: float
    processor_seconds: float
    peak_memory_gib: float


class CommandError(RuntimeError):
    """A command ended with an exit status other than 0."""


def run(name: str, *arguments: str, folder: Path) -> Taken:
    """Run `promise-<name>` in a folder.

    Raises:
        CommandError: The exit status is not 0.
    """
    say(f"$ promise-{name} {' '.join(arguments)}")
    sys.stdout.flush()
    environment = {key: value for key, value in os.environ.items() if key != "PROMISE_ROOT"}
    here = str(Path(__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(
        part for part in (here, environment.get("PYTHONPATH")) if part
    )
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", CALL.format(name=name), *arguments], cwd=folder, env=environment
    )
    _, wait_status, used = os.wait4(process.pid, 0)
    process.returncode = status = os.waitstatus_to_exitcode(wait_status)
    if status:
        raise CommandError(f"promise-{name} in {folder}: exit status {status}")
    return Taken(
        command=" ".join([f"promise-{name}", *arguments]),
        status=status,
        seconds=round(time.monotonic() - began, 2),
        processor_seconds=round(used.ru_utime + used.ru_stime, 2),
        peak_memory_gib=round(used.ru_maxrss / 2**20, 3),
    )
