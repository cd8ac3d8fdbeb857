"""Numbers as inline SVG: boxes of quartiles with every case as a point, and curves with their intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 240, 46, 12, 12, 34
"""Of a chart and of the space round its axes, in pixels."""


@dataclass(frozen=True)
class Curve:
    """One line of a chart."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    interval: tuple[tuple[float, float], ...] = ()
    """Low and high at each x; none, or NaN as for a single case: no band."""


def box_plot(groups: Mapping[str, Mapping[str, float]], title: str) -> str:
    """One box a group: median, quartiles, whiskers to the last value within 1.5 quartile ranges, every value.

    Args:
        groups: By the group's name, values by case id; NaN is left out.
        title: Of the vertical axis.
    """
    present = {
        name: {case: value for case, value in values.items() if not math.isnan(value)}
        for name, values in groups.items()
    }
    everything = [value for values in present.values() for value in values.values()]
    axis = _Axis.spanning(everything, HEIGHT - BOTTOM, TOP)
    parts = _frame(axis, title)
    step = (WIDTH - LEFT - RIGHT) / max(len(present), 1)
    for number, (name, values) in enumerate(present.items()):
        middle = LEFT + step * (number + 0.5)
        half = min(36.0, step / 3)
        parts.append(_text(middle, HEIGHT - BOTTOM + 18, name, "middle"))
        if values:
            parts += _box(np.array(list(values.values())), axis, middle, half)
            parts += _points(values, axis, middle, half)
    return _svg(parts, title)


def line_chart(curves: Sequence[Curve], title: str, x_title: str) -> str:
    """Curves over a number of clicks; each x is a whole number."""
    bands = [end for curve in curves for pair in curve.interval for end in pair]
    values = [value for curve in curves for value in curve.y]
    axis = _Axis.spanning([*values, *bands], HEIGHT - BOTTOM, TOP)
    xs = sorted({x for curve in curves for x in curve.x}) or [0.0]
    across = _Axis(xs[0], max(xs[-1], xs[0] + 1), LEFT + 16, WIDTH - RIGHT - 16)
    parts = _frame(axis, title)
    parts += [_text(across.at(x), HEIGHT - BOTTOM + 14, f"{x:g}", "middle") for x in xs]
    parts.append(_text((LEFT + WIDTH) / 2, HEIGHT - 4, x_title, "middle"))
    for number, curve in enumerate(curves):
        points = [
            (across.at(x), axis.at(y))
            for x, y in zip(curve.x, curve.y, strict=True)
            if not math.isnan(y)
        ]
        if not points:
            continue
        colour = f"c{number % 6}"
        if curve.interval and not any(math.isnan(end) for pair in curve.interval for end in pair):
            lows = [
                (across.at(x), axis.at(low))
                for x, (low, _) in zip(curve.x, curve.interval, strict=True)
            ]
            highs = [
                (across.at(x), axis.at(high))
                for x, (_, high) in zip(curve.x, curve.interval, strict=True)
            ]
            parts.append(
                f'<polygon class="band {colour}" points="{_path([*lows, *reversed(highs)])}"/>'
            )
        parts.append(f'<polyline class="curve {colour}" points="{_path(points)}"/>')
        for (x, y), value in zip(points, curve.y, strict=False):
            tip = escape(f"{curve.name}: {value:.4f}")
            parts.append(
                f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{tip}</title></circle>'
            )
    return _svg(parts, title)


@dataclass(frozen=True)
class _Axis:
    """From values to pixels."""

    low: float
    high: float
    begin: float
    end: float

    @classmethod
    def spanning(cls, values: Sequence[float], begin: float, end: float) -> "_Axis":
        """0 to 1 where all values are shares, otherwise from the lowest, or 0, to the highest."""
        present = [value for value in values if not math.isnan(value)]
        if all(0 <= value <= 1 for value in present):
            return cls(0.0, 1.0, begin, end)
        low, high = min(0.0, *present), max(present)
        return cls(low, max(high, low + 1e-9), begin, end)

    def at(self, value: float) -> float:
        return self.begin + (value - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Four to eight round numbers."""
        span = self.high - self.low
        step = 10 ** math.floor(math.log10(span))
        for part in (1, 2, 4, 5, 10):
            if span / (step / part) >= 4:
                step /= part
                break
        first = math.ceil(self.low / step - 1e-9)
        return [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _frame(axis: _Axis, title: str) -> list[str]:
    parts = [
        f'<text class="axis" x="12" y="{(HEIGHT - BOTTOM + TOP) / 2}" text-anchor="middle"'
        f' transform="rotate(-90 12 {(HEIGHT - BOTTOM + TOP) / 2})">{escape(title)}</text>'
    ]
    for tick in axis.ticks():
        y = axis.at(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(LEFT - 6, y + 4, f"{tick:.4g}", "end"))
    return parts


def _box(values: NDArray[np.float64], axis: _Axis, middle: float, half: float) -> list[str]:
    low, median, high = np.percentile(values, (25, 50, 75)).tolist()
    reach = 1.5 * (high - low)
    bottom = float(values[values >= low - reach].min())
    top = float(values[values <= high + reach].max())
    lines = [
        (middle, bottom, middle, low),
        (middle, high, middle, top),
        (middle - half / 2, bottom, middle + half / 2, bottom),
        (middle - half / 2, top, middle + half / 2, top),
        (middle - half, median, middle + half, median),
    ]
    height = axis.at(low) - axis.at(high)
    return [
        f'<rect class="box" x="{middle - half:.1f}" y="{axis.at(high):.1f}" width="{2 * half:.1f}"'
        f' height="{height:.1f}"/>',
        *(
            f'<line class="box" x1="{x1:.1f}" y1="{axis.at(y1):.1f}" x2="{x2:.1f}" y2="{axis.at(y2):.1f}"/>'
            for x1, y1, x2, y2 in lines
        ),
    ]


def _points(values: Mapping[str, float], axis: _Axis, middle: float, half: float) -> list[str]:
    """Every case, moved sideways by its number so that few hide each other."""
    parts = []
    for number, (case, value) in enumerate(values.items()):
        x = middle + half * 1.2 * ((number * 0.618034) % 1 - 0.5)
        parts.append(
            f'<circle class="case" cx="{x:.1f}" cy="{axis.at(value):.1f}" r="2.5">'
            f"<title>{escape(case)}: {value:.4f}</title></circle>"
        )
    return parts


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _svg(parts: Sequence[str], title: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
