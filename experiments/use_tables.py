"""Tables that show what a network uses: its clicks and their number, its two encoders, its training cases."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, stdev

from experiments.matrix import Matrix
from experiments.table import done, head, line, link
from promise_cli.disk.records import load_json

MEASURED = (
    *("click", "elsewhere_on_target", "beside_target", "without_click", "background_click_added"),
    *("agreement_beside", "window_moved", "window_off_target", "whole_window"),
)
"""Columns of `click_use`, as `click_use.json` names and explains them."""
FOLLOWED = "corrections_followed.csv"
"""File of scores after clicks on errors, with lesions followed beyond their first window."""
STRATEGIES = ("random", "centre", "boundary")


def click_use(matrix: Matrix, folder: Path) -> list[str]:
    """Table of Dice in fixed windows with the click at other places."""
    lines = head("", *(name.replace("_", " ") for name in MEASURED))
    for row, kept in done(matrix, folder, "click_use.json"):
        mean = load_json(kept / "click_use.json")["mean"]
        cells = (f"{mean[name]:.3f}" if name in mean else "-" for name in MEASURED)
        lines.append(line(link(matrix, row, "click_use.json"), *cells))
    return lines


def click_numbers(matrix: Matrix, folder: Path) -> list[str]:
    """Table of mean Dice over cases and seeds, by number and place of the clicks, in one window."""
    lines = head("", "clicks", *STRATEGIES, "standard deviation over seeds, random")
    for row, kept in done(matrix, folder, "clicks.csv"):
        values = _dice_of_trials(kept / "clicks.csv")
        for number in sorted({number for _, number in values}):
            of_trials = {
                name: [fmean(cases) for cases in values[name, number].values()]
                for name in STRATEGIES
            }
            lines.append(
                line(
                    link(matrix, row, "clicks.csv"),
                    str(number),
                    *(f"{fmean(of_trials[name]):.3f}" for name in STRATEGIES),
                    f"{stdev(of_trials['random']):.3f}",
                )
            )
    return lines


def corrections(matrix: Matrix, folder: Path) -> list[str]:
    """Table of mean Dice when each further click corrects the largest error, in one window and followed."""
    numbers = (1, 2, 3, 5, 10)
    lines = head(
        "", "windows", *(f"{number} clicks" if number > 1 else "1 click" for number in numbers)
    )
    for way, name in (
        ("one window", "corrections.csv"),
        ("followed", FOLLOWED),
    ):
        for row, kept in done(matrix, folder, name):
            cells = after_corrections(kept / name, numbers)
            lines.append(line(link(matrix, row, name), way, *cells))
    return lines


def after_corrections(path: Path, numbers: Iterable[int]) -> list[str]:
    """Return the mean Dice over cases and trials after each of these numbers of clicks on errors, as text."""
    values = _dice_of_trials(path)
    of_trials = (values["largest-error", number].values() for number in numbers)
    return [f"{fmean(map(fmean, trials)):.3f}" for trials in of_trials]


def numbers_of(path: Path) -> list[int]:
    """Return the numbers of clicks in a table of trials, in ascending order."""
    return sorted({number for _, number in _dice_of_trials(path)})


def learning(matrix: Matrix, folder: Path) -> list[str]:
    """Table of Dice on training, validation and test cases."""
    parts = ("train", "val", "test")
    lines = head("", "training cases", "validation cases", "test cases")
    for row, kept in done(matrix, folder, "seen.json"):
        mean = load_json(kept / "seen.json")["mean"]
        cells = (f"{mean[part]:.3f}" for part in parts)
        lines.append(line(link(matrix, row, "seen.json"), *cells))
    return lines


def encoder_use(matrix: Matrix, folder: Path) -> list[str]:
    """Table of Dice when one of the two encoders sees another case, and of the distance between levels of two cases."""
    names = ("as it is", "transformer of another case", "CNN of another case")
    lines = head("", *names, *(f"distance of level {level}" for level in range(1, 5)))
    for row, kept in done(matrix, folder, "encoder_use.json"):
        mean = load_json(kept / "encoder_use.json")["mean"]
        values = (mean[name] for name in ("as_it_is", "levels_of_another", "detail_of_another"))
        lines.append(
            line(
                link(matrix, row, "encoder_use.json"),
                *(f"{value:.3f}" for value in values),
                *(f"{value:.3f}" for value in mean["difference"]),
            )
        )
    return lines


def epochs(matrix: Matrix, folder: Path) -> list[str]:
    """Table of Dice by number of clicks, for the network that validation chose and for that of the last epoch."""
    shown = ("1 click", "2 clicks", "3 clicks", "4 clicks", "mean")
    lines = head(
        *("", "network", "epoch", *shown, "mean, validation cases"), "five single clicks, followed"
    )
    for row, kept in done(matrix, folder, "epochs.json"):
        found = load_json(kept / "epochs.json")
        for which in ("chosen by validation", "last"):
            of = found[which]
            followed = fmean(map(fmean, of["followed"].values()))
            values = (*of["test"], fmean(of["test"]), fmean(of["val"]), followed)
            cells = (f"{value:.3f}" for value in values)
            name = link(matrix, row, "epochs.json")
            lines.append(line(name, which, str(of["epoch"]), *cells))
    return lines


def _dice_of_trials(path: Path) -> dict[tuple[str, int], dict[str, list[float]]]:
    """Return the Dice of the cases by strategy, number of clicks and trial."""
    values: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with path.open(encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            key = (record["strategy"], int(record["clicks"]))
            values[key][record["trial"]].append(float(record["dice"]))
    return values
