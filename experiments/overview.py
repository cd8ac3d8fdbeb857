"""The table of docs/results.md: Dice with one click and with ten, for the published design, the default and dynunet."""

from pathlib import Path

from experiments.matrix import LAST_WITHOUT_CLICKS, PROMISE, WITHOUT_CLICKS, Matrix
from experiments.recipe_tables import one_click, one_click_file
from experiments.rows import BOTH
from experiments.table import head, line
from experiments.use_tables import FOLLOWED, after_corrections

CLICKS_AS_CHANNELS = "dynunet_clicks"

SYSTEMS = {
    "ProMISe as published": (PROMISE,),
    "ProMISe, the default recipe": (BOTH.name,),
    "dynunet, without clicks": (LAST_WITHOUT_CLICKS, WITHOUT_CLICKS),
    "dynunet, clicks as channels": (CLICKS_AS_CHANNELS,),
}
"""Names of the rows of each system. If a data set has several of them, the first one is used."""
DATA = {
    "sarcoma": "sarcomas, fold 0",
    "sarcoma_fold_1": "sarcomas, fold 1",
    "sarcoma_fold_2": "sarcomas, fold 2",
    "hippocampus": "hippocampus",
    "phantom": "phantoms",
}


def overview(_: Matrix, folder: Path) -> list[str]:
    """Make the table of mean Dice over the test cases of each data set, with one click and with ten clicks on errors.

    Args:
        folder: Folder with the results of the sarcomas' first fold. Those of the other data lie next to it.

    Returns:
        Lines of a table. A dash means that nothing was measured.
    """
    lines = head("", "clicks", *DATA.values())
    for system, rows in SYSTEMS.items():
        kept = {name: _row(folder.parent / name, rows) for name in DATA}
        clicks = "none" if "without clicks" in system else "one"
        lines.append(line(system, clicks, *(_first(path) for path in kept.values())))
        if any(path and (path / FOLLOWED).exists() for path in kept.values()):
            lines.append(line(system, "ten", *(_ten(path) for path in kept.values())))
    return lines


def _row(folder: Path, rows: tuple[str, ...]) -> Path | None:
    """Return the folder of the first row that has scores, or None."""
    found = (folder / row for row in rows if (folder / row / "metrics.json").exists())
    return next(found, None)


def _first(kept: Path | None) -> str:
    """Return the mean Dice with one click: over five single clicks per case if they exist, else the seeded one."""
    if kept is None:
        return "-"
    return f"{one_click(kept / one_click_file(kept)):.3f}"


def _ten(kept: Path | None) -> str:
    """Return the mean Dice after ten clicks, each on the largest error of the mask so far, or a dash."""
    if kept is None or not (kept / FOLLOWED).exists():
        return "-"
    return after_corrections(kept / FOLLOWED, (10,))[0]
