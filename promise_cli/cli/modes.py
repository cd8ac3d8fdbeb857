"""Finds out what promise-evaluate is asked to do, and refuses options that have no meaning for that."""

from collections.abc import Collection
from typing import Literal

import typer

from promise_cli.errors import EvaluationError

Mode = Literal["masks", "clicks", "folds", "runs"]
"""One of four tasks: scoring of masks, study of clicks (`--clicks`), score of several folds (`--fold`), table of runs
(`--runs`)."""

_MASKS = {
    "predictions": "PREDICTIONS",
    "labels": "LABELS",
    "compare": "--compare",
    "metrics": "--metrics",
    "formats": "--format",
    "empty": "--empty",
    "missing": "--missing",
    "page": "--report/--no-report",
    "picture_channel": "--picture-channel",
    "workers": "--workers",
}
"""Options that only the scoring of masks takes, by the name of their parameter."""
_CLICKS = {
    "trials": "--trials",
    "strategies": "--strategies",
    "seed": "--seed",
    "max_windows": "--max-windows",
    "device": "--device",
    "overwrite": "--overwrite",
}
"""Options that only a study of clicks takes, by the name of their parameter."""
_RUN = {"model": "--model", "name": "--name"}
_FURTHER = {"fold": "--fold", "clicks": "--clicks"}
_OUTPUT = {"output": "--output"}
_NSD = {"tolerance": "--tolerance", "protocol": "--protocol"}
_DATASET = {"dataset": "--dataset", "plan": "--plan"}


def choose_mode(ctx: typer.Context, *, clicks: bool, fold: bool, runs: bool) -> Mode:
    """Return the task that the call asks for.

    Args:
        ctx: The call. It holds the options that were given.
        clicks: Whether `--clicks` is given.
        fold: Whether `--fold` is given.
        runs: Whether `--runs` is given.

    Raises:
        EvaluationError: An option was given that has no meaning for this task.
    """
    if runs:
        wrong = {**_MASKS, **_NSD, **_OUTPUT, **_CLICKS, **_RUN, **_FURTHER}
        _refuse(ctx, wrong, "--runs lists all training runs; leave out {}")
        return "runs"
    if clicks:
        text = "--clicks makes its own predictions of a fold's test cases; leave out {}"
        _refuse(ctx, _MASKS, text)
        return "clicks"
    if unused := _given(ctx, _CLICKS):
        raise EvaluationError(f"{_work(unused)} only together with --clicks; add --clicks N")
    if fold:
        text = "--fold joins the scores that promise-train wrote (NSD at 5 mm); leave out {}"
        _refuse(ctx, {**_MASKS, **_NSD}, text)
        return "folds"
    if unused := _given(ctx, {**_RUN, **_DATASET}):
        raise EvaluationError(
            f"{_work(unused)} only together with --fold or --clicks; add --fold N, or give the folder of the masks"
        )
    return "masks"


def _refuse(ctx: typer.Context, wrong: dict[str, str], text: str) -> None:
    if unused := _given(ctx, wrong):
        raise EvaluationError(text.format(_joined(unused)))


def _work(unused: Collection[str]) -> str:
    return f"{_joined(unused)} {'work' if len(unused) > 1 else 'works'}"


def _given(ctx: typer.Context, names: dict[str, str]) -> list[str]:
    """Return, as the help shows them, the names of those arguments that the user gave."""
    return [
        shown
        for name, shown in names.items()
        if (source := ctx.get_parameter_source(name)) is not None and source.name != "DEFAULT"
    ]


def _joined(given: Collection[str]) -> str:
    *others, last = given
    return f"{', '.join(others)} and {last}" if others else last
