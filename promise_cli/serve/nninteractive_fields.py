"""Reads the fields that clients of nnInteractive send."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from promise_cli.errors import shown
from promise_cli.serve.bounded import number_triple, parse_fields
from promise_cli.serve.refusal import RefusalError

META = "X-Meta"
"""Header of a JSON object that goes with a packed array."""


def meta_of(request: Request) -> dict[str, Any]:
    """Read the JSON object in the header `X-Meta`."""
    return parse_fields(request.headers.get(META, "").encode("latin-1"))


def spacing_of(properties: Any) -> tuple[float, float, float] | None:
    """Return the spacing in mm along the axes of the client's array, if it is sent and possible."""
    found = properties.get("spacing") if isinstance(properties, dict) else None
    if found is None:
        return None
    a, b, c = number_triple(found, "spacing")
    if not all(0.001 <= edge <= 100 for edge in (a, b, c)):
        raise RefusalError(422, f"spacing: {shown(found)} mm is impossible")
    return a, b, c


def stroke_box(given: Any, shape: Sequence[int]) -> list[tuple[int, int]]:
    """Return the box of a stroke, which is the whole image unless the client names a part of it."""
    if given is None:
        return [(0, n) for n in shape]
    if not isinstance(given, list) or len(given) != 3 or not all(is_pair(span) for span in given):
        raise RefusalError(422, "interaction_bbox: three pairs of numbers are needed")
    return [(int(low), int(high)) for low, high in given]


def is_pair(value: Any) -> bool:
    """Whether a value is a list of two numbers."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(
            isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 1e9
            for one in value
        )
    )
