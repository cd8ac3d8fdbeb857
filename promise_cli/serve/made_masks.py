"""The masks that the server has made for viewers lately, so that a mask that is sent back is known again."""

from collections import deque

from promise_cli.prompts import Click
from promise_cli.serve.regions import NOTHING, Region, changed_box

MOST_MASKS = 100
"""Largest number of masks that are known again."""


class MadeMasks:
    """Masks of viewers, with the clicks that led to them.

    Viewers send a mask after they have undone a click, or after their session has ended.
    """

    def __init__(self) -> None:
        self._made: deque[tuple[str, tuple[Click, ...], Region]] = deque(maxlen=MOST_MASKS)

    def note(self, scan: str, clicks: tuple[Click, ...], region: Region) -> None:
        """Note that these clicks on a scan have led to this mask."""
        self._made.append((scan, clicks, region))

    def clicks_of(self, scan: str, region: Region) -> tuple[Click, ...] | None:
        """Return the clicks that led to a mask of a scan. None if the server has not made this mask lately.

        An empty mask has no clicks.
        """
        if changed_box(region, NOTHING) is None:
            return ()
        for name, clicks, made in reversed(self._made):
            if name == scan and changed_box(made, region) is None:
                return clicks
        return None
