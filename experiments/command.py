"""Run the project's commands as a user runs them, and measure their time and memory."""

import os
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from importlib.metadata import entry_points
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
    taken = _taken(process.pid, name, arguments, began)
    process.returncode = taken.status
    return _succeeded(taken, folder)


def _succeeded(taken: Taken, folder: Path) -> Taken:
    if taken.status:
        name = taken.command.split()[0]
        raise CommandError(f"{name} in {folder}: exit status {taken.status}")
    return taken


def _taken(pid: int, name: str, arguments: tuple[str, ...], began: float) -> Taken:
    """Wait for the process of a command, and return what it took."""
    _, wait_status, used = os.wait4(pid, 0)
    return Taken(
        command=" ".join([f"promise-{name}", *arguments]),
        status=os.waitstatus_to_exitcode(wait_status),
        seconds=round(time.monotonic() - began, 2),
        processor_seconds=round(used.ru_utime + used.ru_stime, 2),
        peak_memory_gib=round(used.ru_maxrss / 2**20, 3),
    )


def run_in_a_copy(name: str, *arguments: str, folder: Path) -> Taken:
    """Run `promise-<name>` in a copy of this process, which has loaded torch already. Rehearsals save seconds by it.

    A process that has computed gradients, or has used a GPU, cannot be copied.

    Raises:
        CommandError: The exit status is not 0.
    """
    say(f"$ promise-{name} {' '.join(arguments)}")
    sys.stdout.flush()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os._exit(_call(name, arguments, folder))
    return _succeeded(_taken(pid, name, arguments, began), folder)


def _call(name: str, arguments: tuple[str, ...], folder: Path) -> int:
    """Call a command in this process, and return its exit status."""
    os.chdir(folder)
    os.environ.pop("PROMISE_ROOT", None)
    sys.argv = [f"promise-{name}", *arguments]
    status = 1
    try:
        (command,) = entry_points(group="console_scripts", name=f"promise-{name}")
        command.load()()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return status
