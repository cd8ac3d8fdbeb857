"""The frame of every page: style, sorting and searching in one file that needs no other."""

from datetime import UTC, datetime
from pathlib import Path

from promise_cli.console import counted
from promise_cli.disk.ours import generator_mark
from promise_cli.scores.statistics import format_number, format_range

PAGE = "report.html"
"""Name of the page of promise-predict and of promise-evaluate."""
EARLIER_PAGE = "prediction.html"
"""Name of the page of promise-predict if the page of promise-evaluate in the same folder has the name `PAGE`."""
GENERATOR, PREDICTION_GENERATOR = "promise-evaluate", "promise-predict"
"""Commands that the page of scores and the page of predictions name as their origin. Pages are recognised by this."""
MARK, PREDICTION_MARK = generator_mark(GENERATOR), generator_mark(PREDICTION_GENERATOR)
TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: object) -> str:
    """Fill a template of the folder `templates`. Text is escaped, so that the name of a file cannot become code.

    Args:
        template: File name of the template. The template extends `page.html`, which holds style and script.
        values: Values that the template shows. Those that are HTML already must be `markupsafe.Markup`.
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
    environment.filters["minute"] = _minute
    environment.filters["range"] = _range
    environment.globals["counted"] = counted
    return environment.get_template(template).render(**values) + "\n"


def _minute(moment: str) -> str:
    """Format an ISO time to the minute, such as `2026-11-30 15:21 UTC`. A time without a zone counts as UTC.

    Any other text is returned as it is.
    """
    try:
        time = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    utc = time.astimezone(UTC) if time.tzinfo else time
    return f"{utc:%Y-%m-%d %H:%M} UTC"


def _number(value: float, decimals: int = 4) -> str:
    """Format a number for a table; a count has no decimals."""
    return str(value) if isinstance(value, int) else format_number(value, decimals)


def _range(ends: tuple[float, float], decimals: int = 4) -> str:
    """Format both ends of a range for a table."""
    return format_range(ends, decimals)
