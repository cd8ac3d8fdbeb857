"""Point lists of 3D Slicer: `.mrk.json`, and `.fcsv` of all its versions.

Formats: Slicer's markups-schema-v1.0.0 to v1.0.3 and `vtkMRMLMarkupsFiducialStorageNode`. Neither file names a scan,
and transforms above the point list are not in it. The window shows RAS, files count LPS unless they say otherwise.
"""

import csv
from typing import Any

from promise_cli.errors import PromptError
from promise_cli.prompts.click import ONE_LESION, Click, Lesion, Space
from promise_cli.prompts.values import (
    is_coordinate,
    parse_coordinate,
    shorten,
    shown,
    sign_of_name,
)

_MM = {"mm": 1.0, "um": 1e-3, "cm": 10.0, "m": 1000.0}
_SPACES: dict[str, Space] = {"0": "RAS", "RAS": "RAS", "1": "LPS", "LPS": "LPS"}
_FCSV_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
_DEFINED = "2"
"""Slicer 5 writes each point's status behind the columns that the header names; 2 is a point that was set."""


def is_markups(content: Any) -> bool:
    """Whether a parsed JSON file is one of Slicer's."""
    if not isinstance(content, dict) or not isinstance(content.get("markups"), list):
        return False
    return "@schema" in content or all(isinstance(item, dict) for item in content["markups"])


def parse_markups(content: dict[str, Any], where: str, space: Space | None) -> tuple[Click, ...]:
    """The points of a `.mrk.json`: each point list is a lesion; a list named as background serves all of them.

    Raises:
        PromptError: It holds no point that was set, or something else than point lists, or contradicts `space`.
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
    if not clicks:
        raise PromptError(f"{where}: holds no point that was set; place one on the target")
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
    clicks = []
    for number, point in enumerate(points, 1):
        if not isinstance(point, dict):
            raise PromptError(f"{where}: point {number} is no object: {shown(point)}")
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
    """The points of a `.fcsv`; older versions count in RAS and write 0 for it, newer ones write LPS.

    Raises:
        PromptError: A line is damaged, no point is set, or the coordinate system is neither in the file nor given.
    """
    header = _fcsv_header(text)
    system = header.get("coordinatesystem")
    if system is not None and system.upper() not in _SPACES:
        raise PromptError(
            f"{where}: CoordinateSystem = {shorten(system)} is not known; LPS and RAS (or 1 and 0) are"
        )
    found = _SPACES[system.upper()] if system is not None else space
    if found is None:
        raise PromptError(
            f"{where}: no line '# CoordinateSystem = LPS' says how it counts; give --space LPS or RAS"
        )
    _agree(found, space, where)
    columns = [name.strip() for name in header.get("columns", _FCSV_COLUMNS).split(",")]
    if not {"x", "y", "z"} <= set(columns):
        raise PromptError(f"{where}: its columns {shorten(', '.join(columns))} lack x, y or z")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        rows = list(csv.reader(lines))
    except csv.Error as error:
        raise PromptError(f"{where}: not readable as a table ({error})") from None
    clicks = [_fcsv_point(row, columns, where, found) for row in rows]
    kept = tuple(click for click in clicks if click is not None)
    if not kept:
        raise PromptError(f"{where}: holds no point that was set; place one on the target")
    return kept


def _fcsv_header(text: str) -> dict[str, str]:
    """`# name = value` lines, names in small letters."""
    header = {}
    for line in text.splitlines():
        if line.startswith("#") and "=" in line:
            name, _, value = line[1:].partition("=")
            header[name.strip().lower()] = value.strip()
    return header


def _fcsv_point(row: list[str], columns: list[str], where: str, space: Space) -> Click | None:
    """One line, or None for a point that was never set."""
    named = dict(zip(columns, row, strict=False))
    status = row[len(columns) :]
    if status and "associatedNodeID" in columns and status[0].strip() not in ("", _DEFINED):
        return None
    numbers = [parse_coordinate(named.get(axis, "")) for axis in ("x", "y", "z")]
    if None in numbers:
        raise PromptError(f"{where}: no coordinates in the line {shown(','.join(row))}")
    x, y, z = (float(value) for value in numbers if value is not None)
    return Click((x, y, z), sign_of_name(named.get("label"), named.get("desc")), space)


def _agree(found: Space, asked: Space | None, where: str) -> None:
    if asked is not None and asked != found:
        raise PromptError(
            f"{where}: counts in {found}, but --space says {asked}; leave out --space"
        )
