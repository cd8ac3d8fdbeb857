"""run.json: how a run was trained, on which device and how fast, with an entry for each call that worked on the run."""

import dataclasses
import datetime
import math
import os
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from promise_cli import __version__
from promise_cli.disk.records import load_record, save_record
from promise_cli.disk.workspace import Fold
from promise_cli.errors import PlanError

FILE = "run.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class StartedFrom:
    """The network that a run started from (`--from`), and which of its tensors were used."""

    path: str
    """Path of the checkpoint, as the call reached it."""
    sha256: str
    """SHA-256 of the file, in hexadecimal."""
    dataset: str
    """Dataset with which the network was trained."""
    fold: Fold
    epoch: int
    """Number of epochs for which it was trained."""
    taken: int
    """Number of tensors that were taken."""
    anew: tuple[str, ...]
    """Names of the tensors of the new network that started anew."""
    unused: tuple[str, ...]
    """Names of the tensors of the checkpoint that the new network does not have."""


@dataclass(frozen=True, kw_only=True)
class TrainCall:
    """Entry of run.json about a call of promise-train."""

    started: str
    """Time of the start in UTC, ISO 8601."""
    ended: str | None = None
    """Time of the end; None while the call runs, and if it was killed."""
    outcome: str = "running"
    """`running`, `finished`, `stopped`, or `failed:` and the error."""
    command: str
    """Command line of the call."""
    git: str | None
    """Commit of the tool's own checkout, followed by `+` if files had changed; None for an installed package."""
    versions: dict[str, str]
    """Versions of promise_cli, Python and the main packages."""
    device: str
    processes: int
    """Number of processes that shared each step."""
    precision: str
    seed: int
    parameters: int
    parameters_trained: int
    network: str = "promise"
    preset: str | None = None
    """Name of the preset; None in files of older versions."""
    operations_per_patch: int | None = None
    """Floating-point operations of one forward pass; a multiply-add counts as two. None in files of older versions."""
    started_from: StartedFrom | None = None
    """Network that the run started from; None without `--from`."""
    first_epoch: int
    """First epoch of the call, counted from 1."""
    last_epoch: int = 0
    """Last epoch that is done, counted from 1; 0 if none is."""
    steps: int = 0
    """Number of optimizer steps in this call."""
    seconds_per_step: float | None = None
    """Mean time of a step, with the reading of samples and without validation."""
    waiting_share: float | None = None
    """Share of the steps' time that was spent waiting for samples."""
    peak_memory_gib: float | None = None
    """Peak memory of the GPU in GiB, or of this process where there is no GPU."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Contents of run.json."""

    schema_version: int = SCHEMA_VERSION
    sessions: tuple[TrainCall, ...] = ()


def begin_call(
    device: torch.device,
    *,
    processes: int,
    precision: str,
    seed: int,
    model: torch.nn.Module,
    network: str,
    preset: str,
    operations_per_patch: int | None,
    first_epoch: int,
    started_from: StartedFrom | None = None,
) -> TrainCall:
    """Make the entry of a call from what is known before its first step."""
    parameters = list(model.parameters())
    return TrainCall(
        started=_now(),
        command=_command_line(),
        git=_git_state(),
        versions={
            "promise_cli": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "monai")},
        },
        device=_device_name(device),
        processes=processes,
        precision=precision,
        seed=seed,
        parameters=sum(parameter.numel() for parameter in parameters),
        parameters_trained=sum(p.numel() for p in parameters if p.requires_grad),
        network=network,
        preset=preset,
        operations_per_patch=operations_per_patch,
        started_from=started_from,
        first_epoch=first_epoch,
    )


def end_call(call: TrainCall, outcome: str) -> TrainCall:
    """Return the entry with the time of the end and the outcome."""
    return dataclasses.replace(call, ended=_now(), outcome=outcome)


def load_calls(folder: Path) -> tuple[TrainCall, ...]:
    """Load the entries of earlier calls. A missing or damaged run.json has none, because it must not stop a run."""
    try:
        return load_record(RunRecord, folder / FILE).sessions
    except PlanError:
        return ()


def origin_of(folder: Path) -> StartedFrom | None:
    """Return the network that the run in a folder started from, as its earlier calls noted it."""
    calls = load_calls(folder)
    return calls[-1].started_from if calls else None


def is_recorded(folder: Path) -> bool:
    """Whether run.json says that the last call has finished the training."""
    calls = load_calls(folder)
    return bool(calls) and calls[-1].outcome == "finished"


def save_calls(calls: tuple[TrainCall, ...], folder: Path) -> None:
    """Write run.json, whole or not at all."""
    save_record(RunRecord(sessions=calls), folder / FILE)


def peak_memory_gib(device: torch.device) -> float:
    """Return the peak memory in GiB since the process began.

    On a GPU this is the memory that torch allocated there. Otherwise it is the largest resident size of this process,
    or NaN on Windows.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def tool_and_command() -> str:
    """Return the version of the tool and the command line of this call, which begin each call in train.log."""
    return f"promise_cli {__version__}: {_command_line()}"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _command_line() -> str:
    name = Path(sys.argv[0]).name
    typed = ["python", "-m", "promise_cli.train"] if name == "__main__.py" else [name]
    return shlex.join([*typed, *sys.argv[1:]])


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device}: {torch.cuda.get_device_name(device)}"
    processor = platform.processor() or platform.machine()
    return f"{device}: {processor}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def _git_state() -> str | None:
    """Return the commit of the git checkout that holds the package; None outside of a checkout."""
    folder = Path(__file__).resolve().parent

    def ask(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if not ask("ls-files", Path(__file__).name):
            return None  # installed inside the checkout of another project
        return ask("rev-parse", "HEAD") + ("+" if ask("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None
