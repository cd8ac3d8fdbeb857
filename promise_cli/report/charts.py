"""Draws curves with their intervals as inline SVG. Its axes and texts are also used by other charts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 240, 46, 12, 12, 34
"""Size of a chart and margins around its axes, in pixels."""


@dataclass(frozen=True)
class Curve:
    """One line of a chart."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    interval: tuple[tuple[float, float], ...] = ()
    """Low and high end of the interval at each x. There is no band if this is empty, or if an end is NaN, as for a
    single case."""


def line_chart(curves: Sequence[Curve], title: str, x_title: str) -> str:
    """Draw curves over the number of clicks. Each x is a whole number."""
    bands = [end for curve in curves for pair in curve.interval for end in pair]
    values = [value for curve in curves for value in curve.y]
    axis = Axis.spanning([*values, *bands], HEIGHT - BOTTOM, TOP)
    xs = sorted({x for curve in curves for x in curve.x}) or [0.0]
    across = Axis(xs[0], max(xs[-1], xs[0] + 1), LEFT + 16, WIDTH - RIGHT - 16)
    parts = _frame(axis, title)
    parts += [draw_text(across.at(x), HEIGHT - BOTTOM + 14, f"{x:g}", "middle") for x in xs]
    parts.append(draw_text((LEFT + WIDTH) / 2, HEIGHT - 4, x_title, "middle"))
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
    return wrap_svg(parts, title)


@dataclass(frozen=True)
class Axis:
    """Conversion from values to pixels along one axis of a chart."""

    low: float
    high: float
    begin: float
    end: float

    @classmethod
    def spanning(cls, values: Sequence[float], begin: float, end: float) -> "Axis":
        """Return the axis for values. It goes from 0 to 1 if all of them lie there.

        Otherwise it goes from the lowest value, or from 0 if all are positive, to the highest. NaN is left out.
        """
        present = [value for value in values if not math.isnan(value)]
        if all(0 <= value <= 1 for value in present):
            return cls(0.0, 1.0, begin, end)
        low, high = min(0.0, *present), max(present)
        return cls(low, max(high, low + 1e-9), begin, end)

    def at(self, value: float) -> float:
        """Return the pixel of a value along the axis."""
        return self.begin + (value - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Return four to ten round numbers within the axis."""
        span = self.high - self.low
        step = 10 ** math.floor(math.log10(span))
        for part in (1, 2, 4, 5, 10):
            if span / (step / part) >= 4:
                step /= part
                break
        first = math.ceil(self.low / step - 1e-9)
        return [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _frame(axis: Axis, title: str) -> list[str]:
    parts = [
        f'<text class="axis" x="12" y="{(HEIGHT - BOTTOM + TOP) / 2}" text-anchor="middle"'
        f' transform="rotate(-90 12 {(HEIGHT - BOTTOM + TOP) / 2})">{escape(title)}</text>'
    ]
    for tick in axis.ticks():
        y = axis.at(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(draw_text(LEFT - 6, y + 4, f"{tick:.4g}", "end"))
    return parts


def draw_text(x: float, y: float, text: str, anchor: str) -> str:
    """Draw a text that begins, ends or has its middle at x, for the `anchor` start, end or middle."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def wrap_svg(parts: Sequence[str], title: str, height: float = HEIGHT) -> str:
    """Return the chart that consists of these elements. `title` describes it to screen readers."""
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
