"""Numbers and words in click files: what counts as a coordinate, and what says foreground or background."""

import math
import re
import reprlib
from typing import Any

from promise_cli.prompts.click import BACKGROUND, FOREGROUND

LIMIT = 1e12
"""No coordinate is larger."""

FOREGROUND_WORDS = ("foreground", "fg", "positive")
BACKGROUND_WORDS = ("background", "bg", "negative")

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 60

_BACKGROUND_NAME = re.compile(r"\s*(neg|negative|bg|background|-)(?![a-z])", re.IGNORECASE)


def shown(value: Any) -> str:
    """What was found, as messages quote it: on one line and never long."""
    return _repr.repr(value)


def shorten(name: str) -> str:
    """A name as messages say it: on one line, and whole unless it is absurdly long."""
    line = " ".join(name.split())
    return line if len(line) <= 200 else f"{line[:100]}..."


def is_coordinate(value: Any) -> bool:
    """Whether a JSON value is a finite number of moderate size."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LIMIT


def parse_coordinate(text: str, *, decimal_comma: bool = False) -> float | None:
    """A coordinate from text, or None where it is none."""
    text = text.strip().replace(",", ".") if decimal_comma else text.strip()
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= LIMIT and "_" not in text else None


def parse_sign(value: Any) -> int | None:
    """`FOREGROUND` or `BACKGROUND` from 1, 0, true, false or a word, or None where it is neither."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in (*FOREGROUND_WORDS, "1", "true"):
            return FOREGROUND
        return BACKGROUND if word in (*BACKGROUND_WORDS, "0", "false") else None
    if isinstance(value, bool | int | float) and value in (0, 1):
        return int(value)
    return None


def sign_of_name(*names: Any) -> int:
    """What a name in 3D Slicer says: `neg...`, `bg`, `background` or `-` at its beginning is background."""
    for name in names:
        if isinstance(name, str) and _BACKGROUND_NAME.match(name):
            return BACKGROUND
    return FOREGROUND
