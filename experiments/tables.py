"""Make the tables of this folder's pages and of docs/results.md from the files in `results/`.

`python -m experiments.tables` rewrites every block between `<!-- MATRIX TABLE -->` and `<!-- end -->`, so that each
figure in a table is that of a committed file. A test renders the pages and compares.
"""

import re
from collections.abc import Callable
from pathlib import Path

from experiments.fold_tables import folds
from experiments.matrices import MATRICES
from experiments.matrix import Matrix
from experiments.overview import overview
from experiments.place import RESULTS
from experiments.recipe_tables import recipes
from experiments.score_tables import cost, draws, pairs, scores
from experiments.summary import in_short, uncertainty
from experiments.use_tables import (
    click_numbers,
    click_use,
    corrections,
    encoder_use,
    epochs,
    learning,
)

PAGES = (
    *sorted(RESULTS.parent.glob("*.md")),
    RESULTS.parents[1] / "docs" / "results.md",
)
BLOCK = re.compile(r"<!-- (\w+) (\w+) -->\n.*?<!-- end -->", re.DOTALL)
TABLES: dict[str, Callable[[Matrix, Path], list[str]]] = {
    "scores": scores,
    "pairs": pairs,
    "draws": draws,
    "folds": folds,
    "cost": cost,
    "click_use": click_use,
    "click_numbers": click_numbers,
    "corrections": corrections,
    "learning": learning,
    "encoder_use": encoder_use,
    "epochs": epochs,
    "recipes": recipes,
    "overview": overview,
    "in_short": in_short,
    "uncertainty": uncertainty,
}


def render(page: str, results: Path = RESULTS) -> str:
    """Make every table of a page again.

    Raises:
        ValueError: A block names an unknown matrix or table.
    """

    def table_of(match: re.Match[str]) -> str:
        matrix, kind = match.groups()
        if matrix not in MATRICES or kind not in TABLES:
            raise ValueError(f"no table '{kind}' of a matrix '{matrix}'")
        lines = TABLES[kind](MATRICES[matrix], results / matrix)
        return "\n".join([f"<!-- {matrix} {kind} -->", *lines, "<!-- end -->"])

    return BLOCK.sub(table_of, page)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(render(path.read_text(encoding="utf-8")), encoding="utf-8")
