"""Parse numbers and words of click files: coordinates, and the signs of clicks."""

import math
import re
from typing import Any

from promise_cli.prompts.click import BACKGROUND, FOREGROUND

LIMIT = 1e12
"""Largest absolute value of a coordinate; anything larger is an error."""

FOREGROUND_WORDS = ("foreground", "fg", "positive")
BACKGROUND_WORDS = ("background", "bg", "negative")

_BACKGROUND_NAME = re.compile(r"\s*(neg|negative|bg|background|-)(?![a-z])", re.IGNORECASE)


def is_coordinate(value: Any) -> bool:
    """Whether a JSON value is a number whose absolute value is at most `LIMIT`."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LIMIT


def parse_coordinate(text: str, *, decimal_comma: bool = False) -> float | None:
    """Parse a coordinate. Return None if the text is not a number whose absolute value is at most `LIMIT`."""
    text = text.strip().replace(",", ".") if decimal_comma else text.strip()
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= LIMIT and "_" not in text else None


def parse_sign(value: Any) -> int | None:
    """Parse `FOREGROUND` or `BACKGROUND` from 1, 0, true, false or a word. Return None if it is neither."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in (*FOREGROUND_WORDS, "1", "true"):
            return FOREGROUND
        return BACKGROUND if word in (*BACKGROUND_WORDS, "0", "false") else None
    if isinstance(value, bool | int | float) and value in (0, 1):
        return int(value)
    return None


def sign_of_name(*names: Any) -> int:
    """Derive the sign of a click from names in 3D Slicer, such as its label and its description.

    The sign is background if a name begins with `neg`, `negative`, `bg`, `background` or `-`, not followed by a letter.
    Otherwise it is foreground.
    """
    for name in names:
        if isinstance(name, str) and _BACKGROUND_NAME.match(name):
            return BACKGROUND
    return FOREGROUND
