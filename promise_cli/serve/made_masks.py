"""Keeps the latest masks that the server made for viewers, so that it recognises a mask that a viewer sends back."""

from collections import deque

from promise_cli.prompts import Click
from promise_cli.serve.regions import NOTHING, Region, changed_box

MOST_MASKS = 100
"""Largest number of masks that are kept."""


class MadeMasks:
    """Latest masks for viewers, with the clicks that led to them.

    A viewer sends a mask back after its user has undone a click, or after its session has ended.
    """

    def __init__(self) -> None:
        self._made: deque[tuple[str, tuple[Click, ...], Region]] = deque(maxlen=MOST_MASKS)

    def note(self, scan: str, clicks: tuple[Click, ...], region: Region) -> None:
        """Note that clicks on a scan led to a mask, which is given by its region."""
        self._made.append((scan, clicks, region))

    def clicks_of(self, scan: str, region: Region) -> tuple[Click, ...] | None:
        """Return the clicks that led to a mask of a scan. None means that the mask is not among the latest ones.

        An empty mask has no clicks.
        """
        if changed_box(region, NOTHING) is None:
            return ()
        for name, clicks, made in reversed(self._made):
            if name == scan and changed_box(made, region) is None:
                return clicks
        return None
