"""Draws boxes of quartiles with every case as a point, as inline SVG. Boxes are horizontal, so that long names fit."""

import math
import textwrap
from collections.abc import Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray

from promise_cli.report.charts import BOTTOM, RIGHT, TOP, WIDTH, Axis, draw_text, wrap_svg

LOWEST_ROW, HIGHEST_ROW, HEIGHT_SHARED = 29.0, 84.0, 140.0
"""Smallest and largest height of a group's row in pixels, and the height that all rows share within these limits."""
CHARACTER = 6.6
"""Width of an average character of the names, in pixels."""
MOST_CHARACTERS, LINE = 22, 11.0
"""Largest number of characters in a line of a name, and height of the line in pixels. A name has at most two lines. A
longer name is cut in the middle, and shown whole when the mouse rests on it."""


def box_plot(groups: Mapping[str, Mapping[str, float]], title: str) -> str:
    """Draw a box for each group: median, quartiles, whiskers to the last value within 1.5 quartile ranges, every value.

    Args:
        groups: Values by case id, for the name of each group. NaN is left out.
        title: Title of the axis of values.
    """
    present = [
        (name, {case: value for case, value in values.items() if not math.isnan(value)})
        for name, values in groups.items()
    ]
    row = min(HIGHEST_ROW, max(LOWEST_ROW, HEIGHT_SHARED / max(len(present), 1)))
    end = TOP + row * len(present)
    longest = max((len(name) for name, _ in present), default=0)
    left = 16 + CHARACTER * min(MOST_CHARACTERS, longest)
    everything = [value for _, values in present for value in values.values()]
    axis = Axis.spanning(everything, left + 8, WIDTH - RIGHT - 8)
    parts = [draw_text((left + WIDTH - RIGHT) / 2, end + BOTTOM - 4, title, "middle")]
    for tick in axis.ticks():
        x = axis.at(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{end:.1f}"/>')
        parts.append(draw_text(x, end + 14, f"{tick:.4g}", "middle"))
    for number, (name, values) in enumerate(present):
        middle = TOP + row * (number + 0.5)
        half = min(24.0, row * 0.36)
        parts.append(_name(name, left - 6, middle))
        if values:
            parts += _box(np.array(list(values.values())), axis, middle, half)
            parts += _points(values, axis, middle, half)
    return wrap_svg(parts, title, end + BOTTOM)


def _name(name: str, x: float, middle: float) -> str:
    lines = textwrap.wrap(name, MOST_CHARACTERS) or [""]
    if len(lines) > 2:
        lines = [name[: MOST_CHARACTERS - 1] + "\u2026", name[-MOST_CHARACTERS:]]
    y = middle + 4 - LINE / 2 * (len(lines) - 1)
    shown = "".join(
        f'<tspan x="{x:.1f}" y="{y + LINE * number:.1f}">{escape(line)}</tspan>'
        for number, line in enumerate(lines)
    )
    return f'<text class="name" text-anchor="end"><title>{escape(name)}</title>{shown}</text>'


def _box(values: NDArray[np.float64], axis: Axis, middle: float, half: float) -> list[str]:
    low, median, high = np.percentile(values, (25, 50, 75)).tolist()
    reach = 1.5 * (high - low)
    first = float(values[values >= low - reach].min())
    last = float(values[values <= high + reach].max())
    lines = [
        (first, middle, low, middle),
        (high, middle, last, middle),
        (first, middle - half / 2, first, middle + half / 2),
        (last, middle - half / 2, last, middle + half / 2),
        (median, middle - half, median, middle + half),
    ]
    return [
        f'<rect class="box" x="{axis.at(low):.1f}" y="{middle - half:.1f}"'
        f' width="{axis.at(high) - axis.at(low):.1f}" height="{2 * half:.1f}"/>',
        *(
            f'<line class="box" x1="{axis.at(x1):.1f}" y1="{y1:.1f}" x2="{axis.at(x2):.1f}" y2="{y2:.1f}"/>'
            for x1, y1, x2, y2 in lines
        ),
    ]


def _points(values: Mapping[str, float], axis: Axis, middle: float, half: float) -> list[str]:
    """Draw a point for each case. Points are moved up or down by their number, so that few of them hide each other."""
    parts = []
    for number, (case, value) in enumerate(values.items()):
        y = middle + half * 1.2 * ((number * 0.618034) % 1 - 0.5)
        parts.append(
            f'<circle class="case" cx="{axis.at(value):.1f}" cy="{y:.1f}" r="2.5">'
            f"<title>{escape(case)}: {value:.4f}</title></circle>"
        )
    return parts
