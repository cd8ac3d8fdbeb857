"""Defines what the command lines of all commands share: their help, and options that take several values."""

import sys
from enum import StrEnum
from typing import Any

from typer.core import TyperCommand

_WIDEST = sys.maxsize
"""Largest width of the help in characters, so large that the help is as wide as the terminal."""
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST}


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
    **dict.fromkeys(("-f", "--fold", "--folds"), ("all",)),
}
"""Words that are values of an option, by the option's name. Several of them may follow the option, like numbers."""


class PlainCommand(TyperCommand):
    """Command whose help is shown by `-h` too, and is as wide as the terminal."""

    def __init__(self, *args: Any, context_settings: Any = None, **kwargs: Any) -> None:
        super().__init__(
            *args, context_settings={**_SETTINGS, **(context_settings or {})}, **kwargs
        )


class SeveralValues(PlainCommand):
    """Command whose repeatable options take several numbers or choices: `-f 0 1 2` means `-f 0 -f 1 -f 2`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat an option's name before each further number, and before each further word that is a value of it."""
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
            if argument.startswith("-") and not is_number(argument):
                current = argument if argument in repeated else None
            elif current and not first:
                if argument in repeated[current] or is_number(argument):
                    spread.append(current)
                else:
                    current = None
            spread.append(argument)
        return super().parse_args(ctx, spread)


class SeveralLabels(PlainCommand):
    """Command in which several labels may follow `--target-label` or `--objects`, up to the next option.

    The command's own argument may come after the labels. If it is given nowhere else, the last word is the argument.
    """

    OPTIONS = ("--target-label", "--objects")
    DATASET = ("-d", "--dataset")
    """Options that name the dataset, so that the command's own argument is not needed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat an option's name before each further label."""
        taking = {
            name: option.nargs
            for option in self.params
            for name in option.opts
            if not getattr(option, "is_flag", True)
        }
        spread: list[str] = []
        further: list[tuple[int, str]] = []
        elsewhere, current, own = False, None, 0
        for argument in args:
            if argument.startswith("-") and not is_number(argument):
                name, joined, _ = argument.partition("=")
                elsewhere |= name in self.DATASET
                current = name if name in taking else None
                own = taking.get(name, 0) - bool(joined)
            elif current is not None and own > 0:
                own -= 1  # one of the option's own values
            elif current in self.OPTIONS:
                further.append((len(spread), current))
            else:
                elsewhere = True
            spread.append(argument)
        if further and not elsewhere:
            further.pop()
        for place, option in reversed(further):
            spread.insert(place, option)
        return super().parse_args(ctx, spread)


def is_number(argument: str) -> bool:
    """Whether an argument is a number. A negative one begins like an option."""
    try:
        float(argument)
    except ValueError:
        return False
    return True
