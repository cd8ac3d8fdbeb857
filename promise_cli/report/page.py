"""The frame of every page: style, sorting and opening in one self-contained file."""

from pathlib import Path

from promise_cli.console import counted
from promise_cli.scores.statistics import format_number

PREDICTION_GENERATOR = "promise-predict"
"""What the page of predictions says wrote it."""
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
    environment.globals["counted"] = counted
    return environment.get_template(template).render(**values) + "\n"


def _number(value: float, decimals: int = 4) -> str:
    """Format a number for a table; a count has no decimals."""
    return str(value) if isinstance(value, int) else format_number(value, decimals)
