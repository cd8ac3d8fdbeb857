"""Readers of 3D Slicer's point lists: `.mrk.json`, and `.fcsv` of all versions.

The formats are those of Slicer's markups-schema-v1.0.0 to v1.0.3 and of `vtkMRMLMarkupsFiducialStorageNode`. The files
name no scan. They do not hold the transforms that are applied to a point list in Slicer's scene. Slicer's window shows
RAS coordinates. A `.mrk.json` that names no coordinate system is in LPS.
"""

import csv
from typing import Any

from promise_cli.errors import PromptError, shorten, shown
from promise_cli.prompts.click import ONE_LESION, Click, Lesion, Space, check_number
from promise_cli.prompts.values import is_coordinate, parse_coordinate, sign_of_name

_MM = {"mm": 1.0, "um": 1e-3, "cm": 10.0, "m": 1000.0}
_SPACES: dict[str, Space] = {"0": "RAS", "RAS": "RAS", "1": "LPS", "LPS": "LPS"}
_FCSV_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
_DEFINED = "2"
"""Status of a point that was placed. Slicer 5 writes the status after the columns that the header names."""


def is_markups(content: Any) -> bool:
    """Whether parsed JSON comes from a `.mrk.json` file of 3D Slicer."""
    if not isinstance(content, dict) or not isinstance(content.get("markups"), list):
        return False
    return "@schema" in content or all(isinstance(item, dict) for item in content["markups"])


def parse_markups(content: dict[str, Any], where: str, space: Space | None) -> tuple[Click, ...]:
    """Read the clicks of a `.mrk.json`.

    Each point list is a lesion. The points of a list that is named as background are background clicks of every lesion.

    Args:
        content: Parsed JSON for which `is_markups` is true.
        where: Name of the file in error messages.
        space: Coordinate system that the user asked for, or None.

    Raises:
        PromptError: The file holds no point list or no point that was placed, a point is damaged, or the file
            contradicts `space`.
    """
    lists = [item for item in content["markups"] if isinstance(item, dict)]
    fiducials = [item for item in lists if item.get("type", "Fiducial") == "Fiducial"]
    if not fiducials:
        kinds = shorten(", ".join(sorted({str(item.get("type")) for item in lists})) or "nothing")
        raise PromptError(f"{where}: holds {kinds}; expected a point list of 3D Slicer (Fiducial)")
    named = [(item, sign_of_name(item.get("name"))) for item in fiducials]
    positive = [item for item, sign in named if sign]
    clicks: list[Click] = []
    for number, item in enumerate(positive, 1):
        name = item.get("name", "")
        lesion = Lesion(number, name if isinstance(name, str) else "", number)
        lesion = ONE_LESION if len(positive) == 1 else lesion
        clicks += _control_points(item, where, space, lesion, None)
        for other in (item for item, sign in named if not sign):
            clicks += _control_points(other, where, space, lesion, sign_of_name("background"))
            check_number(len(clicks), where)
        check_number(len(clicks), where)
    if not clicks:
        raise PromptError(f"{where}: holds no point that was placed; place one on the target")
    return tuple(clicks)


def _control_points(
    item: dict[str, Any], where: str, space: Space | None, lesion: Lesion, sign: int | None
) -> list[Click]:
    given = item.get("coordinateSystem", "LPS")
    system = None if isinstance(given, bool) else _SPACES.get(str(given).upper())
    if system is None:
        raise PromptError(
            f"{where}: unknown coordinateSystem {shown(given)}; it must be LPS or RAS"
        )
    _agree(system, space, where)
    units = item.get("coordinateUnits", "mm")
    unit = units[0] if isinstance(units, list) and units else units
    if not isinstance(unit, str) or unit not in _MM:
        raise PromptError(f"{where}: unknown coordinateUnits {shown(units)}; it must be mm")
    points = item.get("controlPoints", [])
    if not isinstance(points, list):
        raise PromptError(f"{where}: controlPoints must be a list, found {shown(points)}")
    check_number(len(points), where)
    clicks = []
    for number, point in enumerate(points, 1):
        if not isinstance(point, dict):
            raise PromptError(
                f"{where}: point {number} must be a JSON object, found {shown(point)}"
            )
        if point.get("positionStatus", "defined") != "defined":
            continue
        xyz = point.get("position")
        if not isinstance(xyz, list) or len(xyz) != 3 or not all(map(is_coordinate, xyz)):
            raise PromptError(
                f"{where}: point {number}: position must be three numbers, found {shown(xyz)}"
            )
        own = sign_of_name(point.get("label"), point.get("description"))
        x, y, z = (float(value) * _MM[unit] for value in xyz)
        clicks.append(Click((x, y, z), own if sign is None else sign, system, lesion))
    return clicks


def parse_fcsv(text: str, where: str, space: Space | None) -> tuple[Click, ...]:
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
    header = _fcsv_header(text)
    system = header.get("coordinatesystem")
    if system is not None and system.upper() not in _SPACES:
        raise PromptError(
            f"{where}: unknown CoordinateSystem {shorten(system)}; it must be LPS (or 1) or RAS (or 0)"
        )
    found = _SPACES[system.upper()] if system is not None else space
    if found is None:
        raise PromptError(
            f"{where}: the coordinate system is unknown, because there is no line '# CoordinateSystem = LPS'; give"
            " --space LPS or --space RAS"
        )
    _agree(found, space, where)
    columns = [name.strip() for name in header.get("columns", _FCSV_COLUMNS).split(",")]
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
    clicks = [_fcsv_point(row, columns, where, found) for row in rows]
    kept = tuple(click for click in clicks if click is not None)
    if not kept:
        raise PromptError(f"{where}: holds no point that was placed; place one on the target")
    return kept


def _fcsv_header(text: str) -> dict[str, str]:
    """Read the header lines `# name = value`. Names are converted to lower case."""
    header = {}
    for line in text.splitlines():
        if line.startswith("#") and "=" in line:
            name, _, value = line[1:].partition("=")
            header[name.strip().lower()] = value.strip()
    return header


def _fcsv_point(row: list[str], columns: list[str], where: str, space: Space) -> Click | None:
    """Read the click of one line; None for a point that was never placed."""
    named = dict(zip(columns, row, strict=False))
    status = row[len(columns) :]
    if status and "associatedNodeID" in columns and status[0].strip() not in ("", _DEFINED):
        return None
    numbers = [parse_coordinate(named.get(axis, "")) for axis in ("x", "y", "z")]
    if None in numbers:
        raise PromptError(
            f"{where}: x, y and z must be numbers, found the line {shown(','.join(row))}"
        )
    x, y, z = (float(value) for value in numbers if value is not None)
    return Click((x, y, z), sign_of_name(named.get("label"), named.get("desc")), space)


def _agree(found: Space, asked: Space | None, where: str) -> None:
    if asked is not None and asked != found:
        raise PromptError(
            f"{where}: the file's coordinates are {found}, but --space says {asked}; leave out --space"
        )
