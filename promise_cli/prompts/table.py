"""Reader of tables of clicks (`.csv`, `.tsv`): napari's points, 3D Slicer's control points, and tables made by hand.

The names of the columns say what the numbers mean. `l,p,s` and `r,a,s` are millimetres, `i,j,k` is a voxel index. For
`x,y,z` and napari's `axis-0,axis-1,axis-2`, a column `space` or the option `--space` must name the coordinate system.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from promise_cli.console import counted
from promise_cli.errors import PromptError, did_you_mean, shorten, shown
from promise_cli.prompts.click import (
    FOREGROUND,
    MAX_VALUE,
    ONE_LESION,
    SPACES,
    Click,
    Lesion,
    Space,
    check_cases,
    check_number,
)
from promise_cli.prompts.gather import Gathered
from promise_cli.prompts.shapes import refuse_shapes
from promise_cli.prompts.tally import Tally
from promise_cli.prompts.values import parse_coordinate, parse_sign, sign_of_name
from promise_cli.volume import case_id, is_volume_file

_AXES: dict[tuple[str, str, str], Space | None] = {
    ("i", "j", "k"): "voxel",
    ("l", "p", "s"): "LPS",
    ("r", "a", "s"): "RAS",
    ("x", "y", "z"): None,
    ("axis-0", "axis-1", "axis-2"): None,
}
MOST_COLUMNS = 100
_OWN = ("case", "label", "space", "object", "value")
_SLICER = ("l", "p", "s"), ("r", "a", "s")


@dataclass(frozen=True)
class _Columns:
    """Columns of a table, as its first line names them."""

    names: list[str]
    axes: tuple[str, str, str]
    space: Space | None
    """Coordinate system of all rows; None where each row or the user must name it."""
    decimal_comma: bool

    @property
    def from_slicer(self) -> bool:
        """Whether 3D Slicer wrote the table. Its `label` is then a name, and `defined` says if a point was placed."""
        return self.axes in _SLICER and "case" not in self.names


@dataclass
class _CaseClicks:
    """Clicks of one case that have been read so far."""

    clicks: list[Click] = field(default_factory=list)
    lesions: dict[str, Lesion] = field(default_factory=dict)
    """Lesions of the clicks, by name."""
    tally: Tally = field(default_factory=Tally)

    def add(self, click: Click | None, *, hidden: bool) -> None:
        """Add the click of a row; None stands for a point that was never placed."""
        if click:
            self.clicks.append(click)
            self.tally.add(hidden=hidden)
        else:
            self.tally.skip("undefined")


def parse_table(text: str, where: str, space: Space | None, only_case: str | None) -> Gathered:
    """Read the clicks of a table, by case. Errors in a row are noted for its case.

    Args:
        text: Content of the file.
        where: Name of the file in error messages.
        space: Coordinate system that the user asked for, or None.
        only_case: Case of all clicks if the table has no column `case`; None if it is unknown.

    Raises:
        PromptError: The first line does not name the columns, the columns contradict `space`, the case of the clicks
            is unknown, or there is no click.
    """
    rows, delimiter = _rows(text, where)
    columns = _columns(rows[0] if rows else [], where, delimiter == ";")
    refuse_shapes(columns.names, rows[1:], where)
    if columns.space and space and columns.space != space:
        raise PromptError(
            f"{where}: the columns {', '.join(columns.axes)} mean space {columns.space}, but --space says"
            f" {space}; leave out --space"
        )
    gathered = Gathered(where)
    if "case" not in columns.names and only_case is None:
        raise PromptError(
            f"{where}: there is no column 'case', so it is unknown to which scan each click belongs; add the column"
        )
    by_case: dict[str, _CaseClicks] = defaultdict(_CaseClicks)
    for number, row in enumerate(rows[1:], 2):
        cells = dict(zip(columns.names, (cell.strip() for cell in row), strict=False))
        name = cells.get("case", only_case or "")
        name = case_id(Path(name)) if is_volume_file(Path(name)) else name.removesuffix("_0000")
        with gathered.case(name):
            if len(row) > len(columns.names):
                raise PromptError(
                    f"{where}: row {number}: {counted(len(row), 'cell')} for {len(columns.names)} columns;"
                    " write decimals with a point, or separate the cells by semicolons"
                )
            if not name:
                raise PromptError(
                    f"{where}: row {number}: the column 'case' is empty; name the case"
                )
            if name not in gathered.broken:
                case = by_case[name]
                check_number(len(case.clicks) + 1, f"{where}: case {shorten(name)}")
                click = _click(cells, columns, f"{where}: row {number}", space, case.lesions)
                hidden = columns.from_slicer and cells.get("visible", "1") == "0"
                case.add(click, hidden=hidden)
        check_cases(len(by_case) + len(gathered.broken), where)
    for name, case in by_case.items():
        if name not in gathered.broken:
            with gathered.case(name):
                gathered.add(name, tuple(case.clicks), case.tally.note)
    if not gathered.clicks and not gathered.broken:
        raise PromptError(f"{where}: holds no click; add one on the target")
    return gathered


def _rows(text: str, where: str) -> tuple[list[list[str]], str]:
    """Split a table into rows without the empty ones. Also return the delimiter that separates the cells."""
    if text[:4].lower() == "sep=":  # Excel may name its delimiter in a line before the columns
        text = text.partition("\n")[2]
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    try:
        reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
        return [row for row in reader if any(row)], delimiter
    except csv.Error as error:
        raise PromptError(f"{where}: not readable as a table ({error}); save it again") from None


def _columns(first: Sequence[str], where: str, decimal_comma: bool) -> _Columns:
    names = [name.strip().lower() for name in first[: MOST_COLUMNS + 1]]
    if len(names) > MOST_COLUMNS:
        raise PromptError(f"{where}: more than {MOST_COLUMNS} columns; is this a table of clicks?")
    axes = [triple for triple in _AXES if set(triple) <= set(names)]
    if len(axes) != 1 or "axis-3" in names:
        raise PromptError(
            f"{where}: the first line must name the columns case and one of i,j,k / x,y,z / l,p,s /"
            f" r,a,s / axis-0,axis-1,axis-2, found {shown(', '.join(names))}"
        )
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise PromptError(f"{where}: two columns are named {shown(twice[0])}; keep one")
    for name in names:
        near = did_you_mean(name, _OWN, quoted=True, cutoff=0.75)
        if near and name not in _OWN:
            raise PromptError(f"{where}: unknown column {shown(name)}{near}")
    return _Columns(names, axes[0], _AXES[axes[0]], decimal_comma)


def _click(
    cells: dict[str, str],
    columns: _Columns,
    where: str,
    asked: Space | None,
    known: dict[str, Lesion],
) -> Click | None:
    """Read the click of one row; None for a point of 3D Slicer that was never placed."""
    if columns.from_slicer and cells.get("defined", "1") == "0":
        return None
    numbers = [
        parse_coordinate(cells.get(axis, ""), decimal_comma=columns.decimal_comma)
        for axis in columns.axes
    ]
    if None in numbers:
        found = shown([cells.get(axis) for axis in columns.axes])
        raise PromptError(
            f"{where}: expected numbers in the columns {', '.join(columns.axes)}, found {found};"
            " write plain numbers with a decimal point"
        )
    x, y, z = (value for value in numbers if value is not None)
    space = _space(cells, columns, where, asked)
    sign = _sign(cells, columns, where)
    lesion = _lesion(cells, where, known)
    known[lesion.name] = lesion
    return Click((x, y, z), sign, space, lesion)


def _space(cells: dict[str, str], columns: _Columns, where: str, asked: Space | None) -> Space:
    given = cells.get("space", "")
    named = next((space for space in SPACES if space.lower() == given.lower()), None)
    if given and named is None:
        raise PromptError(f"{where}: unknown space {shown(given)}; use one of {', '.join(SPACES)}")
    chosen = {space for space in (named, columns.space, asked) if space is not None}
    if len(chosen) > 1:
        raise PromptError(
            f"{where}: the coordinate systems {' and '.join(sorted(chosen))} contradict each other; give one of them"
        )
    if not chosen:
        raise PromptError(
            f"{where}: the coordinate system of {', '.join(columns.axes)} is unknown; add a column 'space' or give"
            f" --space with one of {', '.join(SPACES)}"
        )
    return chosen.pop()


def _sign(cells: dict[str, str], columns: _Columns, where: str) -> int:
    given = cells.get("label", "")
    if columns.from_slicer:
        return sign_of_name(given, cells.get("description"))
    sign = parse_sign(given) if given else FOREGROUND
    if sign is None:
        raise PromptError(
            f"{where}: label must be 1 or 0, foreground or background, found {shown(given)}"
        )
    return sign


def _lesion(cells: dict[str, str], where: str, known: dict[str, Lesion]) -> Lesion:
    """Return the lesion of a row. `known` holds the lesions of earlier rows of the same case by their names."""
    name, value = cells.get("object", ""), cells.get("value", "")
    if not name and not value:
        return ONE_LESION
    same = known.get(name or value)
    number = same.number if same else len(known) + 1
    number_of_name = name if name.isdecimal() and 1 <= int(name[:9]) <= MAX_VALUE else str(number)
    text = value or (str(same.value) if same else number_of_name)
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_VALUE:
        raise PromptError(
            f"{where}: value must be a whole number from 1 to {MAX_VALUE}, found {shown(text)}"
        )
    if same and same.value != int(text):
        raise PromptError(
            f"{where}: object {shown(name)} has value {text} here, but {same.value} in an earlier row; give it"
            " one value"
        )
    return Lesion(int(text), name or value, number, value)
