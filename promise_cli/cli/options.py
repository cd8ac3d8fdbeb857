"""Options that several commands share, and the parsing of options that take several values."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from promise_cli.cli.fold import refuse_all_folds


def make_app() -> typer.Typer:
    """Make the application of one command, with plain help and Python's own tracebacks."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class FurtherMetric(StrEnum):
    """Metrics that can be computed besides Dice and NSD."""

    HD95 = "hd95"
    ASSD = "assd"
    PRECISION = "precision"
    RECALL = "recall"
    VOLUME_DIFFERENCE = "volume_difference"
    ALL = "all"


class Strategy(StrEnum):
    """Places where a simulated user clicks."""

    RANDOM = "random"
    CENTRE = "centre"
    BOUNDARY = "boundary"
    MARGIN = "margin"
    LARGEST_ERROR = "largest-error"


WORDS: dict[str, tuple[str, ...]] = {
    "--metrics": tuple(FurtherMetric),
    "--strategies": tuple(Strategy),
}
"""Words that may follow an option, by the option's name. Several of them may follow, like numbers."""


class SeveralValues(TyperCommand):
    """Command whose repeatable options take several numbers or choices: `-f 0 1 2` means `-f 0 -f 1 -f 2`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write the option's name before each further number, or each further word of its choices."""
        refuse_all_folds(args)
        repeated = {
            name: WORDS.get(name, ())
            for option in self.params
            if getattr(option, "multiple", False)
            for name in option.opts
        }
        spread: list[str] = []
        current = None
        for number, argument in enumerate(args):
            first = number > 0 and args[number - 1] == current
            if argument.startswith("-") and not _is_number(argument):
                current = argument if argument in repeated else None
            elif current and not first:
                if argument in repeated[current] or _is_number(argument):
                    spread.append(current)
                else:
                    current = None
            spread.append(argument)
        return super().parse_args(ctx, spread)


class SeveralLabels(TyperCommand):
    """Command in which several labels may follow `--target-label`, by name or number, up to the next option.

    The command's own argument may come after the labels. If it is given nowhere else, the last word is the argument.
    """

    OPTION = "--target-label"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write the option's name before each further label."""
        taking = {
            name: option.nargs
            for option in self.params
            for name in option.opts
            if not getattr(option, "is_flag", True)
        }
        spread: list[str] = []
        further: list[int] = []
        elsewhere, current, own = False, None, 0
        for argument in args:
            if argument.startswith("-") and not _is_number(argument):
                name, joined, _ = argument.partition("=")
                current, own = (
                    (name if name in taking else None),
                    taking.get(name, 0) - bool(joined),
                )
            elif current is not None and own > 0:
                own -= 1  # one of the option's own values
            elif current == self.OPTION:
                further.append(len(spread))
            else:
                elsewhere = True
            spread.append(argument)
        if further and not elsewhere:
            further.pop()
        for place in reversed(further):
            spread.insert(place, self.OPTION)
        return super().parse_args(ctx, spread)


def _is_number(argument: str) -> bool:
    try:
        float(argument)
    except ValueError:
        return False
    return True


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
