"""Reads the fields that the page sends, and describes a session to the page. `page_api` lists all fields."""

import re
from typing import Any

from starlette.requests import Request

from promise_cli.errors import shown
from promise_cli.prompts import BACKGROUND, FOREGROUND, nearest_voxel
from promise_cli.serve.bounded import Fields, number_triple
from promise_cli.serve.exchange import base64_gzip
from promise_cli.serve.marking import Marking
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.regions import Box
from promise_cli.serve.sessions import ClientSession

SPACES = ("voxel", "RAS", "LPS")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LONGEST_NAME = 64


def describe(session: ClientSession, expected: dict[str, float | None]) -> dict[str, Any]:
    """Return the state of a session, with the seconds that clicks are expected to take."""
    marking = session.marked()
    shape = marking.scan.grid.shape
    return {
        "session": session.token,
        "scan": marking.name,
        "order": session.order,
        "shape": list(session.axes.shape_of(shape)),
        "lesions": [
            {
                "lesion": value,
                "name": marked.lesion.name,
                "colour": marked.colour,
                "clicks": [
                    {"point": list(session.axes.index_of(click.point, shape)), "sign": click.sign}
                    for click in marked.clicks
                ],
                "ml": marked.ml,
                "longest_mm": marked.longest_mm,
            }
            for value, marked in marking.lesions.items()
        ],
        "questions": list(marking.questions),
        **expected,
    }


def describe_change(session: ClientSession, box: Box | None) -> dict[str, Any]:
    """Return the part of the mask that has changed, in the axes of the session."""
    if box is None:
        return {"changed": None}
    marking = session.marked()
    spans = session.axes.spans(box, marking.scan.grid.shape)
    values = base64_gzip(session.axes.array_of(marking.region.within(box)))
    return {"changed": {"box": [list(span) for span in spans], "values": values}}


def point_of(
    session: ClientSession, marking: Marking, fields: Fields
) -> tuple[float, float, float]:
    """Return the voxel (i, j, k) of the scan's file that a click means.

    Raises:
        RefusalError: The point is not three numbers in a known coordinate system, or lies outside the scan.
    """
    space, point = fields.get("space", "voxel"), number_triple(fields.get("point"), "point")
    if space not in SPACES:
        raise RefusalError(422, f"space: {shown(space)} is unknown; use one of {', '.join(SPACES)}")
    grid = marking.scan.grid
    if space == "voxel":
        return session.axes.stored_index(point, grid.shape)
    voxel = nearest_voxel(point, space, grid)
    if voxel is None:
        raise RefusalError(422, f"point: {list(point)} {space} lies outside the scan")
    return voxel


def look_of(fields: Fields, name: Any, colour: Any) -> tuple[Any, Any]:
    """Return the name and colour of a lesion that the page has sent, or these values for what it has not sent.

    Raises:
        RefusalError: One of them is impossible.
    """
    name, colour = fields.get("name", name), fields.get("colour", colour)
    if name is not None and not (isinstance(name, str) and len(name) <= _LONGEST_NAME):
        raise RefusalError(422, f"name: a text of at most {_LONGEST_NAME} characters is needed")
    if name and not name.isprintable():
        raise RefusalError(422, "name: use plain characters on one line")
    if colour and not (isinstance(colour, str) and _COLOUR.fullmatch(colour)):
        raise RefusalError(422, "colour: write it as #ff8800")
    return name, colour


def value_of(fields: Fields) -> int | None:
    """Return the value of a lesion in the mask, or None if the page has not sent it.

    Raises:
        RefusalError: It is not a whole number from 1 to 255.
    """
    value = fields.get("lesion")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 255:
        raise RefusalError(422, "lesion: a whole number from 1 to 255 is needed")
    return value


def sign_of(fields: Fields) -> int:
    """Return the sign of a click.

    Raises:
        RefusalError: The sign is not 0 or 1.
    """
    sign = fields.get("sign", FOREGROUND)
    if isinstance(sign, bool) or sign not in (FOREGROUND, BACKGROUND):
        raise RefusalError(422, "sign: use 1 for a click on the target or 0 for the background")
    return int(sign)


def channel_of(request: Request) -> int:
    """Return the number of the channel that an address asks for, counted from 1.

    Raises:
        RefusalError: The address asks for something that is not a number of at most three digits.
    """
    text = request.query_params.get("channel", "1")
    if not (text.isascii() and text.isdecimal() and len(text) < 4):
        raise RefusalError(422, "channel: a number from 1 is needed")
    return int(text)


def lesion_number(text: str) -> int:
    """Return the value of a lesion that an address names.

    Raises:
        RefusalError: It is not a number of at most three digits.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 4):
        raise RefusalError(404, "there is no such lesion")
    return int(text)
