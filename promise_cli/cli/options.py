"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from promise_cli.cli.command import PlainCommand


def make_app() -> typer.Typer:
    """Make the application of one command, with plain help, completion in shells, and Python's own tracebacks."""
    return _App(pretty_exceptions_enable=False, rich_markup_mode=None)


class _App(typer.Typer):
    """Application whose command has the habits of all commands, unless it names a class of its own."""

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = None, **settings: Any
    ) -> Any:
        """Register the command, as `typer.Typer.command` does."""
        return super().command(name, cls=cls or PlainCommand, **settings)


class Protocol(StrEnum):
    """Protocols that set the tolerance of NSD."""

    PROMISE = "promise"
    MSD = "msd"


class Format(StrEnum):
    """Formats of other tools in which results can be written, too."""

    NNUNET = "nnunet"


class EmptyPolicy(StrEnum):
    """Values of a metric if both masks are empty."""

    NAN = "nan"
    ONE = "one"
    ZERO = "zero"


class MissingPolicy(StrEnum):
    """Treatments of a case without a prediction."""

    ERROR = "error"
    ZERO = "zero"
    SKIP = "skip"


def _show_version(value: bool) -> None:
    if value:
        from promise_cli import __version__
        from promise_cli.console import say

        say(f"promise_cli {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and errors.")]
Dataset = Annotated[
    str | None,
    typer.Option(
        "-d", "--dataset", help="Dataset by name or number, such as Task07_Pancreas, Task07 or 7."
    ),
]
PlanName = Annotated[
    str | None,
    typer.Option(
        "--plan", metavar="NAME", help="Plan of the dataset, as given to promise-preprocess --plan."
    ),
]
RunName = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="NAME", help="Name of the run, as given to promise-train --name."
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        help="Folder of the workspace. If not given: $PROMISE_ROOT, or else the current folder.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device", help="Where the network runs: cpu, cuda, mps, or auto (a GPU if there is one)."
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="Number format in which the network computes: fp32, bf16, fp16 (CUDA GPUs only) or auto.",
        show_default="auto: bf16, or fp16 on older GPUs, if the device is faster with it",
    ),
]
PictureChannel = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Channel of the scans that the pictures in report.html show, counted from 1.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        help="Number of parallel processes; 0: work in the main process only.",
        show_default="by the number of cores",
    ),
]
ReadingWorkers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        help="Number of processes that read samples, for each device; 0: read them in the main process.",
        show_default="0 on the CPU, otherwise up to 6",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "-m",
        "--model",
        help="Trained network, given as the folder of a training run or as a checkpoint file (.pt).",
        show_default="the only run",
    ),
]
AveragedFolds = Annotated[
    list[str] | None,
    typer.Option(
        "-f",
        "--fold",
        metavar="N ...",
        help="Fold of the cross-validation whose network is used, or all. The networks of several folds (-f 0 1 2)"
        " are averaged.",
    ),
]
MaxWindows = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Largest number of windows for one lesion. The network sees one window (a cube) at a time. A lesion"
        " that reaches the window's border is followed into further windows.",
        show_default="20",
    ),
]
Mirrored = Annotated[
    bool,
    typer.Option(
        "--tta",
        help="Average over all eight mirrorings of the image (test-time augmentation). Takes eight times as long.",
    ),
]


def dataset_of(task: str | None, dataset: str | None) -> str | None:
    """Return the dataset that a call names, by argument or by option.

    Raises:
        typer.BadParameter: Both name one, and they differ.
    """
    if task is not None and dataset is not None and task != dataset:
        raise typer.BadParameter(
            f"the argument names the dataset {task}, and the option {dataset}; leave out one of them",
            param_hint="'-d'",
        )
    return task if dataset is None else dataset
