"""Count which points of a click file are clicks, and which are not."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from promise_cli.errors import listed
from promise_cli.prompts.click import Click


class Points(NamedTuple):
    """Clicks of one case, as a file of another tool holds them."""

    clicks: tuple[Click, ...]
    note: str = ""
    """What was counted, if a click is hidden or a point is no click; otherwise empty."""


@dataclass
class Tally:
    """Number of points that are clicks, and that are not."""

    counted: int = 0
    hidden: int = 0
    """Number of counted points that the tool does not show."""
    others: Counter[str] = field(default_factory=Counter)
    """Number of points that are not clicks, by their status, such as `undefined`."""

    def add(self, *, hidden: bool) -> None:
        """Count a point that is a click."""
        self.counted += 1
        self.hidden += hidden

    def skip(self, status: str) -> None:
        """Count a point that is not a click because of its status."""
        self.others[status] += 1

    @property
    def note(self) -> str:
        """What was counted, on one line; empty if every point is a click that the tool shows."""
        if not (self.hidden or self.others):
            return ""
        text = f"{self.counted} of {self.counted + self.others.total()} points count as clicks"
        if self.hidden:
            text += f", {self.hidden} of them hidden (delete hidden points that are not clicks)"
        if self.others:
            kinds = listed(f"{number} {status}" for status, number in self.others.items())
            text += f"; not counted: {kinds}"
        return text
