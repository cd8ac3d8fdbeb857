"""Read the option `--fold`, which takes one or several numbers, or `all`. In nnU-Net the fold is a plain argument."""

from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand

from promise_cli.cli.command import SeveralValues
from promise_cli.disk.workspace import ALL, Fold

NAMES = ("-f", "--fold", "--folds")


def read_folds(words: Sequence[str] | None) -> tuple[Fold, ...]:
    """Return the folds that an option names, each once.

    Raises:
        typer.BadParameter: A word is neither a number nor `all`.
    """
    for word in words or ():
        if word != ALL and not (word.isascii() and word.isdecimal()):
            raise typer.BadParameter(
                f"give numbers of folds in splits.json, counted from 0, or {ALL}; found {word}",
                param_hint="'--fold'",
            )
    return tuple(dict.fromkeys(ALL if word == ALL else int(word) for word in words or ()))


def find_arguments(command: TyperCommand, args: Sequence[str]) -> list[int]:
    """Return the positions of the arguments that are neither options nor values of options."""
    taking = {
        name
        for option in command.params
        for name in option.opts
        if not getattr(option, "is_flag", True)
    }
    found = []
    is_value = False
    for place, argument in enumerate(args):
        if not is_value and not argument.startswith("-"):
            found.append(place)
        is_value = not is_value and argument in taking
    return found


class FoldOption(SeveralValues):
    """Command whose fold is an option. It explains this to users of nnU-Net, and accepts `--c` as `--resume`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse the fold as a plain argument, as in `promise-train Task07 3d_fullres 0`."""
        words = [args[place] for place in find_arguments(self, args)]
        is_fold = bool(words) and (words[-1].isdecimal() or words[-1] == ALL)
        if len(words) > 1 and is_fold and not set(NAMES) & set(args):
            further = " ".join(words[1:-1])
            leave = f", and leave out {further}" if further else ""
            raise typer.BadParameter(
                f"the fold is an option: give --fold {words[-1]}{leave}",
                param_hint=f"'{' '.join(words[1:])}'",
            )
        return super().parse_args(ctx, ["--resume" if word == "--c" else word for word in args])
