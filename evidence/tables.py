"""Tables of docs/results.md, made from what is kept beside it.

`python -m evidence.tables` renews every block between `<!-- MATRIX TABLE -->` and `<!-- end -->`. A figure in such a
table is that of a committed file; a test holds the page against them.
"""

import re
from collections.abc import Callable
from pathlib import Path

from evidence.fold_tables import folds
from evidence.matrices import MATRICES
from evidence.matrix import Matrix
from evidence.place import RESULTS
from evidence.recipe_tables import recipes
from evidence.score_tables import cost, draws, pairs, scores
from evidence.use_tables import (
    click_numbers,
    click_use,
    corrections,
    encoder_use,
    epochs,
    learning,
)

PAGE = RESULTS.parent / "results.md"
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
}


def render(page: str, results: Path = RESULTS) -> str:
    """The page with every table made anew.

    Raises:
        ValueError: A block names an unknown matrix or table.
    """

    def table_of(match: re.Match[str]) -> str:
        matrix, kind = match.groups()
        if matrix not in MATRICES or kind not in TABLES:
            raise ValueError(f"docs/results.md: no table '{kind}' of a matrix '{matrix}'")
        lines = TABLES[kind](MATRICES[matrix], results / matrix)
        return "\n".join([f"<!-- {matrix} {kind} -->", *lines, "<!-- end -->"])

    return BLOCK.sub(table_of, page)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
