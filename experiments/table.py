"""Lines of a Markdown table, and the rows of a matrix that can stand in it."""

from collections.abc import Sequence
from pathlib import Path

from experiments.matrix import Matrix, Row


def head(*names: str) -> list[str]:
    """The first two lines."""
    return [line(*names), "|" + "---|" * len(names)]


def line(*cells: str) -> str:
    """One line."""
    return "| " + " | ".join(cells) + " |"


def done(matrix: Matrix, folder: Path, file: str = "metrics.json") -> list[tuple[Row, Path]]:
    """Rows of which this file is kept, and their folders."""
    return [(row, folder / row.name) for row in matrix.rows if (folder / row.name / file).exists()]


def link(matrix: Matrix, row: Row, file: str) -> str:
    """A row's name, which leads to the file that its figures come from."""
    return f"[{row.what}](results/{matrix.name}/{row.name}/{file})"


def span(interval: Sequence[float | None]) -> str:
    """An interval; a dash where there is none."""
    low, high = interval
    return "-" if low is None or high is None else f"{low:.3f} to {high:.3f}"
