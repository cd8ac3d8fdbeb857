"""Lines of a Markdown table, and the rows of a matrix that can be shown in it."""

from collections.abc import Sequence
from pathlib import Path

from experiments.matrix import Matrix, Row


def head(*names: str) -> list[str]:
    """Return the first two lines of a table."""
    return [line(*names), "|" + "---|" * len(names)]


def line(*cells: str) -> str:
    """Return one line of a table."""
    return "| " + " | ".join(cells) + " |"


def done(matrix: Matrix, folder: Path, file: str = "metrics.json") -> list[tuple[Row, Path]]:
    """Return the rows that have this file, with their folders."""
    return [(row, folder / row.name) for row in matrix.rows if (folder / row.name / file).exists()]


def link(matrix: Matrix, row: Row, file: str) -> str:
    """Return a row's description as a link to the file that its figures come from."""
    return f"[{row.what}](results/{matrix.name}/{row.name}/{file})"


def span(interval: Sequence[float | None]) -> str:
    """Format an interval, or a dash if there is none."""
    low, high = interval
    return "-" if low is None or high is None else f"{low:.3f} to {high:.3f}"
