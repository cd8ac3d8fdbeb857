"""What the commands' arguments have in common, and how several numbers follow one option."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand


def make_app() -> typer.Typer:
    """One command's application: plain help, and tracebacks as Python writes them."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class FurtherMetric(StrEnum):
    """Metrics that may be computed besides Dice and NSD."""

    HD95 = "hd95"
    ASSD = "assd"
    PRECISION = "precision"
    RECALL = "recall"
    VOLUME_DIFFERENCE = "volume_difference"
    ALL = "all"


class Strategy(StrEnum):
    """Where a simulated person clicks."""

    RANDOM = "random"
    CENTRE = "centre"
    BOUNDARY = "boundary"
    MARGIN = "margin"
    LARGEST_ERROR = "largest-error"


WORDS: dict[str, tuple[str, ...]] = {
    "--metrics": tuple(FurtherMetric),
    "--strategies": tuple(Strategy),
}
"""Words that may follow an option more than once, besides numbers."""


class SeveralValues(TyperCommand):
    """Lets an option that may be repeated take several numbers or choices: `-f 0 1 2` means `-f 0 -f 1 -f 2`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write the option's name before each further number, or each further word of its choices."""
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
    """Lets words follow `--target-label`: names or numbers of labels, up to the next option.

    The command's own argument may stand behind them: where it stands nowhere else, it is the last of the words.
    """

    OPTION = "--target-label"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write the option's name before each further label."""
        taking = {
            name
            for option in self.params
            for name in option.opts
            if not getattr(option, "is_flag", True)
        }
        spread: list[str] = []
        further: list[int] = []
        elsewhere, current, first = False, None, False
        for argument in args:
            if argument.startswith("-") and not _is_number(argument):
                name, joined, _ = argument.partition("=")
                current, first = (name if name in taking else None), not joined
            elif current is not None and first:
                first = False  # the option's own value
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
    """Which tolerance a surface may deviate."""

    PROMISE = "promise"
    MSD = "msd"


class Format(StrEnum):
    """Format of another tool in which results may be written, too."""

    NNUNET = "nnunet"


class EmptyPolicy(StrEnum):
    """What a metric is where both masks are empty."""

    NAN = "nan"
    ONE = "one"
    ZERO = "zero"


class MissingPolicy(StrEnum):
    """What becomes of a case without prediction."""

    ERROR = "error"
    ZERO = "zero"
    SKIP = "skip"


Root = Annotated[
    Path | None,
    typer.Option(
        "--root", help="Workspace; otherwise $PROMISE_ROOT, otherwise the current folder."
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="fp32, bf16, fp16 (CUDA alone) or auto.",
        show_default="auto: bf16, or fp16 on older GPUs, where it is faster",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=0, help="Processes; 0 works in this one.", show_default="by cores"
    ),
]
