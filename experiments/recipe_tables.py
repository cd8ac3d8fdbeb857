"""Table of training recipes: Dice with one click and with clicks on errors, on all data that each was trained on."""

from pathlib import Path
from statistics import fmean

from experiments.fold_tables import of_cases
from experiments.matrix import Matrix, Row
from experiments.rows import BOTH, BOTH_PLAIN, HEAD, NEAR, ZERO_HEAD
from experiments.score_tables import epoch_of, mean_dice
from experiments.table import head, line
from experiments.use_tables import FOLLOWED, after_corrections
from promise_cli.disk.records import load_json

RECIPES = (NEAR, HEAD, ZERO_HEAD, BOTH, BOTH_PLAIN)
"""Recipes from the earlier default to that of today, and that of today without maps in the head."""
ELSEWHERE = "hippocampus"
"""Further data on which the recipes were trained."""
NUMBERS = (1, 3, 10)


def recipes(matrix: Matrix, folder: Path) -> list[str]:
    """Make the table of networks of the last epoch: Dice with one click, and with clicks on errors.

    One click is the mean over five single clicks per case if they exist, otherwise the one seeded click.

    Args:
        matrix: Matrix of the sarcomas. Its folds are shown, and the hippocampus.
        folder: Folder of its results.
    """
    names = ("one click", *(f"clicks on errors: {number}" for number in NUMBERS))
    lines = head("", "epoch", "test cases of", *names)
    for row in RECIPES:
        for place in (matrix.name, *matrix.other_folds, ELSEWHERE):
            kept = folder.parent / place / row.name
            if (kept / "metrics.json").exists():
                lines.append(_line(row, place, kept))
    return lines


def _line(row: Row, place: str, kept: Path) -> str:
    """Make the line of a row, with a dash where another epoch than the last was measured."""
    last = str(load_json(kept / "config.json")["epochs"])
    is_last = epoch_of(kept) in (last, f"{last} of {last}")
    file = one_click_file(kept)
    table = kept / FOLLOWED
    corrected = is_last and table.exists()
    cells = after_corrections(table, NUMBERS) if corrected else ["-"] * len(NUMBERS)
    shown = f"[{place}](results/{place}/{row.name}/{file})"
    one = f"{one_click(kept / file):.3f}" if is_last or file == "epochs.json" else "-"
    return line(row.what, last, shown, one, *cells)


def one_click_file(kept: Path) -> str:
    """Return the name of the file with a row's Dice with one click, preferably one with five single clicks per case."""
    names = ("epochs.json", "draws.json", "metrics.json")
    return next(name for name in names if (kept / name).exists())


def one_click(file: Path) -> float:
    """Return the mean Dice over the test cases with one click."""
    return mean_dice(file) if file.name == "metrics.json" else fmean(of_cases(file).values())
