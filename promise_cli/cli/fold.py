"""Advice for users of nnU-Net, whose commands take the fold as a plain argument, or `all` as a fold."""

import itertools
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand

NAMES = ("-f", "--fold")


def refuse_all_folds(args: Sequence[str]) -> None:
    """Refuse the word `all` in place of a fold.

    Raises:
        typer.BadParameter: The option of the fold has this value.
    """
    for name, value in itertools.pairwise(args):
        if name in NAMES and value == "all":
            raise typer.BadParameter(
                "give the number of a fold in splits.json, counted from 0; 'all' is not supported",
                param_hint=f"'{name}'",
            )


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


class FoldOption(TyperCommand):
    """Command whose fold is an option. It explains that to users of nnU-Net, and accepts `--c` as `--resume`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse the fold as a plain argument, as in `promise-train Task07 3d_fullres 0`."""
        refuse_all_folds(args)
        words = [args[place] for place in find_arguments(self, args)]
        if len(words) > 1 and words[-1].isdecimal() and not set(NAMES) & set(args):
            further = " ".join(words[1:-1])
            leave = f", and leave out {further}" if further else ""
            raise typer.BadParameter(
                f"the fold is an option: give --fold {words[-1]}{leave}",
                param_hint=f"'{' '.join(words[1:])}'",
            )
        return super().parse_args(ctx, ["--resume" if word == "--c" else word for word in args])
