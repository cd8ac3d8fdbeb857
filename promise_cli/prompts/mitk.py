"""Reader of MITK's point sets (`.mps`), in LPS millimetres.

Each time step may have a geometry. The points of such a time step are indices. The geometry's matrix and offset
convert them to world coordinates, as in MITK's own reader (`mitkPointSetReaderService`).
"""

from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import PromptError, shorten, shown
from promise_cli.prompts.click import Click, Space, check_number
from promise_cli.prompts.values import LIMIT, parse_coordinate


def parse_point_set(content: bytes, where: str, space: Space | None) -> tuple[Click, ...]:
    """Read the points of a point set as foreground clicks. Only one of its time steps may hold points.

    Args:
        content: Bytes of the file.
        where: Name of the file in error messages.
        space: Coordinate system that the user asked for, or None.

    Raises:
        PromptError: The file is not a point set, has no point, has points in several time steps or has a damaged
            number, or `space` is neither None nor LPS.
    """
    if space not in (None, "LPS"):
        raise PromptError(
            f"{where}: MITK's points are in LPS, but --space says {space}; leave out --space"
        )
    root = _root(content, where)
    # The oldest files have no time steps; their points lie directly in the point set.
    places = (*root.iter("time_series"), *root.iter("point_set"))
    steps = [place for place in places if place.find("point") is not None]
    if len(steps) != 1:
        found = f"{len(steps)} sets of points" if steps else "no point"
        raise PromptError(f"{where}: holds {found}; expected one point set with one time step")
    matrix, offset = _geometry(steps[0], where)
    check_number(len(steps[0].findall("point")), where)
    clicks = []
    for number, point in enumerate(steps[0].findall("point"), 1):
        place = np.array(
            [_number(point.findtext(axis), where, f"point {number}") for axis in "xyz"]
        )
        with np.errstate(all="ignore"):
            x, y, z = (matrix @ place + offset).tolist()
        if not max(abs(x), abs(y), abs(z)) <= LIMIT:
            raise PromptError(f"{where}: point {number} has no finite position; correct Geometry3D")
        clicks.append(Click((x, y, z), space="LPS"))
    return tuple(clicks)


def _root(content: bytes, where: str) -> ET.Element:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:  # entities could fill the memory
        raise PromptError(
            f"{where}: has a DOCTYPE, which MITK never writes; save the points again in MITK"
        )
    try:
        root = ET.fromstring(content.strip())
    except (ET.ParseError, ValueError, LookupError) as error:
        raise PromptError(
            f"{where}: not readable as XML ({error}); save the points again in MITK"
        ) from None
    if root.tag != "point_set_file":
        raise PromptError(
            f"{where}: not a point set of MITK; expected <point_set_file>, found <{shorten(root.tag)}>"
        )
    return root


def _geometry(step: ET.Element, where: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    matrix, offset = np.eye(3), np.zeros(3)
    rotation, shift = step.find("Geometry3D/IndexToWorld"), step.find("Geometry3D/Offset")
    if rotation is not None:
        for row in range(3):
            for column in range(3):
                name = f"m_{row}_{column}"
                matrix[row, column] = _number(rotation.get(name), where, f"IndexToWorld {name}")
    if shift is not None:
        offset = np.array([_number(shift.get(axis), where, f"Offset {axis}") for axis in "xyz"])
    return matrix, offset


def _number(text: str | None, where: str, what: str) -> float:
    value = parse_coordinate(text or "")
    if value is None:
        raise PromptError(f"{where}: {what}: expected a number, found {shown(text)}")
    return value
