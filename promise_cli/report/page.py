"""The frame of every page: style, sorting and opening in one self-contained file."""

import math
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: object) -> str:
    """Fill a template of this folder; text is escaped, so that a file's name cannot become code.

    Args:
        template: Its file name; it extends `page.html`, which brings style and script.
        values: What it shows. Anything that is HTML already must be `markupsafe.Markup`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    return environment.get_template(template).render(**values) + "\n"


def _number(value: Any, decimals: int = 4) -> str:
    """As tables show it; NaN and None are a dash."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.{decimals}f}" if isinstance(value, float) else str(value)
