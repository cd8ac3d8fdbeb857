"""Reader of 3D Slicer's point lists in JSON, `.mrk.json`.

The format is that of Slicer's markups-schema-v1.0.0 to v1.0.3, and two layouts from before that schema. The files name
no scan. They do not hold the transforms that are applied to a point list in Slicer's scene. Slicer's window shows RAS
coordinates. A file of the schema that names no coordinate system is in LPS.
"""

from dataclasses import replace
from typing import Any

from promise_cli.errors import PromptError, shorten, shown
from promise_cli.prompts.click import (
    BACKGROUND,
    ONE_LESION,
    Click,
    Lesion,
    Space,
    check_number,
)
from promise_cli.prompts.tally import Points, Tally
from promise_cli.prompts.values import is_coordinate, sign_of_name

_MM = {"mm": 1.0, "um": 1e-3, "cm": 10.0, "m": 1000.0}
_STATUSES = ("undefined", "preview", "missing")
SYSTEMS: dict[str, Space] = {"0": "RAS", "RAS": "RAS", "1": "LPS", "LPS": "LPS"}


def is_markups(content: Any) -> bool:
    """Whether parsed JSON is a markups file of 3D Slicer, of any version."""
    if not isinstance(content, dict):
        return False
    if _is_single_list(content):
        return True
    if not isinstance(content.get("markups"), list):
        return False
    return "@schema" in content or all(isinstance(item, dict) for item in content["markups"])


def parse_markups(content: dict[str, Any], where: str, space: Space | None) -> Points:
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
    lists = _lists(content, where)
    fiducials = [item for item in lists if item.get("type", "Fiducial") == "Fiducial"]
    if not fiducials:
        kinds = shorten(", ".join(sorted({str(item.get("type")) for item in lists})) or "nothing")
        raise PromptError(f"{where}: holds {kinds}; expected a point list of 3D Slicer (Fiducial)")
    tally = Tally()
    for item in lists:
        if item.get("type", "Fiducial") != "Fiducial":
            tally.skip(f"markup of type {shown(item['type'])}")
    positive, background = [], []
    for item in fiducials:
        sign = sign_of_name(item.get("name"))
        points = _control_points(item, where, space, tally)
        if sign == BACKGROUND:
            background += [replace(point, sign=BACKGROUND) for point in points]
        else:
            positive.append((item.get("name", ""), points))
    clicks: list[Click] = []
    for number, (name, points) in enumerate(positive, 1):
        lesion = Lesion(number, name if isinstance(name, str) else "", number)
        if len(positive) == 1:
            lesion = replace(ONE_LESION, object_hint=lesion.name)
        clicks += [replace(point, lesion=lesion) for point in (*points, *background)]
        check_number(len(clicks), where)
    if not clicks:
        if background:
            raise PromptError(
                f"{where}: all point lists are named as background; place a point on the target in another list"
            )
        why = f" ({tally.note})" if tally.note else ""
        raise PromptError(f"{where}: holds no point that was placed; place one on the target{why}")
    return Points(tuple(clicks), tally.note)


def _is_single_list(content: dict[str, Any]) -> bool:
    """Whether the file is a point list itself, as an early layout of Slicer's JSON had it."""
    points = content.get("controlPoints")
    placed = isinstance(points, list) and any(
        isinstance(point, dict) and "position" in point for point in points
    )
    return placed or isinstance(content.get("markupsType"), str)


def _lists(content: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Return the markups of a file.

    In two early layouts the file is itself one list, or each list is the field `markup` of an object. Their default
    coordinate system is not known, so they must name it.

    Raises:
        PromptError: A list in an early layout does not name its coordinate system.
    """
    if _is_single_list(content):
        early = [content | {"type": content.get("markupsType", content.get("type", "Fiducial"))}]
        lists = []
    else:
        items = [item for item in content["markups"] if isinstance(item, dict)]
        early = [item["markup"] for item in items if isinstance(item.get("markup"), dict)]
        lists = [item for item in items if not isinstance(item.get("markup"), dict)]
    if any("coordinateSystem" not in item for item in early):
        raise PromptError(
            f"{where}: a markups file of an early version of 3D Slicer that names no coordinateSystem; open it in the"
            " Slicer that wrote it, compare the positions, and save it again in a newer one"
        )
    return lists + early


def _control_points(
    item: dict[str, Any], where: str, space: Space | None, tally: Tally
) -> list[Click]:
    """Read the placed points of one list, and count them."""
    given = item.get("coordinateSystem", "LPS")
    system = None if isinstance(given, bool) else SYSTEMS.get(str(given).upper())
    if system is None:
        raise PromptError(
            f"{where}: unknown coordinateSystem {shown(given)}; it must be LPS or RAS"
        )
    agree_on_space(system, space, where)
    units = item.get("coordinateUnits", "mm")
    unit = units[0] if isinstance(units, list) and units else units
    if not isinstance(unit, str) or unit not in _MM:
        raise PromptError(f"{where}: unknown coordinateUnits {shown(units)}; it must be mm")
    points = item.get("controlPoints", [])
    if not isinstance(points, list):
        raise PromptError(f"{where}: controlPoints must be a list, found {shown(points)}")
    check_number(len(points), where)
    display = item.get("display")
    list_hidden = isinstance(display, dict) and display.get("visibility") is False
    clicks = []
    for number, point in enumerate(points, 1):
        if not isinstance(point, dict):
            raise PromptError(
                f"{where}: point {number} must be a JSON object, found {shown(point)}"
            )
        status = point.get("positionStatus", "defined")
        if status != "defined":
            tally.skip(status if status in _STATUSES else f"of status {shown(status)}")
            continue
        xyz = point.get("position")
        if not isinstance(xyz, list) or len(xyz) != 3 or not all(map(is_coordinate, xyz)):
            raise PromptError(
                f"{where}: point {number}: position must be three numbers, found {shown(xyz)}"
            )
        tally.add(hidden=list_hidden or point.get("visibility", True) is False)
        sign = sign_of_name(point.get("label"), point.get("description"))
        x, y, z = (float(value) * _MM[unit] for value in xyz)
        clicks.append(Click((x, y, z), sign, system))
    return clicks


def agree_on_space(found: Space, asked: Space | None, where: str) -> None:
    """Refuse a coordinate system that was asked for if it is not that of the file."""
    if asked is not None and asked != found:
        raise PromptError(
            f"{where}: the file's coordinates are {found}, but --space says {asked}; leave out --space"
        )
