"""Reader of 3D Slicer's older point lists, `.fcsv` of all versions.

The format is that of `vtkMRMLMarkupsFiducialStorageNode`. The files name no scan.
"""

import csv

from promise_cli.console import counted
from promise_cli.errors import PromptError, shorten, shown
from promise_cli.prompts.click import Click, Space, check_number
from promise_cli.prompts.slicer import SYSTEMS, agree_on_space
from promise_cli.prompts.tally import Points, Tally
from promise_cli.prompts.values import parse_coordinate, sign_of_name

_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
_SHORT = 4
"""Number of cells of a line that was written by hand, `id,x,y,z`. It is accepted where no columns are named."""
_STATUSES = {"0": "undefined", "1": "preview", "2": "defined", "3": "missing"}
"""Status of a point. Slicer 5 writes it, and a 0 or 1, after the columns that the header names."""


def parse_fcsv(text: str, where: str, space: Space | None) -> Points:
    """Read the clicks of a `.fcsv`.

    Older versions of Slicer store RAS coordinates and write `CoordinateSystem = 0`. Newer versions store LPS and
    write `CoordinateSystem = LPS`.

    Args:
        text: Content of the file.
        where: Name of the file in error messages.
        space: Coordinate system that the user asked for, or None.

    Raises:
        PromptError: A line is damaged, no point was placed, the file contradicts `space`, or neither of them names
            the coordinate system.
    """
    header = _header(text)
    system = header.get("coordinatesystem")
    if system is not None and system.upper() not in SYSTEMS:
        raise PromptError(
            f"{where}: unknown CoordinateSystem {shorten(system)}; it must be LPS (or 1) or RAS (or 0)"
        )
    found = SYSTEMS[system.upper()] if system is not None else space
    if found is None:
        raise PromptError(
            f"{where}: the coordinate system is unknown, because there is no line '# CoordinateSystem = LPS'; give"
            " --space LPS or --space RAS"
        )
    agree_on_space(found, space, where)
    columns = [name.strip() for name in header.get("columns", _COLUMNS).split(",")]
    if not {"x", "y", "z"} <= set(columns):
        raise PromptError(
            f"{where}: the line '# columns =' must name x, y and z, found {shorten(', '.join(columns))}"
        )
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        rows = list(csv.reader(lines))
    except csv.Error as error:
        raise PromptError(f"{where}: not readable as a table ({error}); save it again") from None
    check_number(len(rows), where)
    tally = Tally()
    clicks = [_point(row, columns, "columns" in header, where, found, tally) for row in rows]
    kept = tuple(click for click in clicks if click is not None)
    if not kept:
        why = f" ({tally.note})" if tally.note else ""
        raise PromptError(f"{where}: holds no point that was placed; place one on the target{why}")
    return Points(kept, tally.note)


def _header(text: str) -> dict[str, str]:
    """Read the header lines `# name = value`. Names are converted to lower case."""
    header = {}
    for line in text.splitlines():
        if line.startswith("#") and "=" in line:
            name, _, value = line[1:].partition("=")
            header[name.strip().lower()] = value.strip()
    return header


def _point(
    row: list[str], columns: list[str], named: bool, where: str, space: Space, tally: Tally
) -> Click | None:
    """Read the click of one line; None for a point that was never placed.

    Args:
        row: Cells of the line.
        columns: Names of the columns.
        named: Whether the file itself names its columns.
        where: Name of the file in error messages.
        space: Coordinate system of the point.
        tally: Count of the points, to which this one is added.
    """
    cells = dict(zip(columns, row, strict=False))
    numbers = [parse_coordinate(cells.get(axis, "")) for axis in ("x", "y", "z")]
    if None in numbers:
        raise PromptError(
            f"{where}: x, y and z must be numbers, found the line {shown(','.join(row))}"
        )
    extra = [cell.strip() for cell in row[len(columns) :]]
    from_slicer_5 = (
        len(extra) == 2
        and "associatedNodeID" in columns
        and extra[0] in _STATUSES
        and extra[1] in ("0", "1")
    )
    if len(row) != len(columns) and not from_slicer_5 and (named or len(row) != _SHORT):
        raise PromptError(
            f"{where}: {counted(len(row), 'cell')} for {len(columns)} columns in the line {shown(','.join(row))};"
            " write decimals with a point, and a text that holds a comma in quotes"
        )
    status = _STATUSES[extra[0]] if from_slicer_5 else "defined"
    if status != "defined":
        tally.skip(status)
        return None
    tally.add(hidden=cells.get("vis", "1").strip() == "0")
    x, y, z = (float(value) for value in numbers if value is not None)
    return Click((x, y, z), sign_of_name(cells.get("label"), cells.get("desc")), space)
