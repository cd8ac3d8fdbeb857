"""The lesions that one client marks on one scan: their clicks, and the mask that follows from the clicks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import PromptError
from promise_cli.predict.cases import merge
from promise_cli.predict.doubt import doubt_click
from promise_cli.predictions.record import describe_click
from promise_cli.prompts import (
    FOREGROUND,
    ONE_LESION,
    Click,
    Lesion,
    format_point,
    locate_clicks,
)
from promise_cli.serve.open_scans import OpenScan
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.regions import NOTHING, Box, Region, changed_box, longest_axial_mm
from promise_cli.session.prediction import Prediction
from promise_cli.volume import as_stored

MOST_LESIONS = 50
"""Largest number of lesions on a scan."""
MOST_CLICKS = 500
"""Largest number of clicks on a lesion."""


@dataclass
class MarkedLesion:
    """A lesion and its clicks."""

    lesion: Lesion
    colour: str
    clicks: tuple[Click, ...] = ()
    ml: float = 0.0
    """Volume of the lesion's mask in millilitres."""
    longest_mm: float = 0.0
    """Longest diameter of the lesion's mask in an axial slice, in mm."""


class Marking:
    """The clicks of one client on one scan, and their mask. What computes the mask or reads the scan takes seconds."""

    def __init__(self, name: str, scan: Callable[[], OpenScan]) -> None:
        """Begin without a click. `scan` returns the open scan, and reads it again if it was closed in the meantime."""
        self.name = name
        """Name of the scan."""
        self._scan = scan
        self.lesions: dict[int, MarkedLesion] = {}
        """Lesions by their value in the mask."""
        self.region = NOTHING
        """The mask of all lesions."""
        self.questions: tuple[str, ...] = ()
        """What looks odd about the latest prediction."""

    @property
    def scan(self) -> OpenScan:
        """The scan, which is read if it is not open."""
        return self._scan()

    @property
    def clicks(self) -> tuple[Click, ...]:
        """Clicks of all lesions."""
        return tuple(click for one in self.lesions.values() for click in one.clicks)

    def add_lesion(self, name: str = "", colour: str = "", value: int | None = None) -> int:
        """Add a lesion without clicks, and return its value in the mask.

        Args:
            name: Name of the lesion; may be empty.
            colour: Colour in which a client shows it.
            value: Value in the mask, 1 to 255. None stands for the lowest free one.

        Raises:
            RefusalError: There are too many lesions, or the value is taken.
        """
        if len(self.lesions) >= MOST_LESIONS:
            raise RefusalError(422, f"a scan may have {MOST_LESIONS} lesions")
        if value is None:
            value = next(number for number in range(1, 256) if number not in self.lesions)
        if value in self.lesions:
            raise RefusalError(422, f"lesion {value} exists already")
        alone = not name and value == 1
        self.lesions[value] = MarkedLesion(
            ONE_LESION if alone else Lesion(value, name, value), colour
        )
        return value

    def change_look(self, value: int, name: str | None, colour: str | None) -> None:
        """Change the name or the colour of a lesion. None leaves it as it is."""
        marked = self.lesion(value)
        marked.colour = marked.colour if colour is None else colour
        if name is not None:
            lesion = Lesion(value, name, value)
            marked.lesion = lesion
            marked.clicks = tuple(
                Click(one.point, one.sign, one.space, lesion) for one in marked.clicks
            )

    def remove_lesion(self, value: int) -> Box | None:
        """Remove a lesion with its clicks. Return the box in which the mask has changed."""
        self.lesion(value)
        del self.lesions[value]
        return self._update()

    def lesion(self, value: int) -> MarkedLesion:
        """Return the lesion with this value.

        Raises:
            RefusalError: There is no such lesion.
        """
        if value not in self.lesions:
            raise RefusalError(404, f"there is no lesion {value}")
        return self.lesions[value]

    def add_clicks(
        self,
        value: int,
        points: Sequence[Sequence[float]],
        sign: int = FOREGROUND,
        *,
        predict: bool = True,
    ) -> Box | None:
        """Add clicks and return the box in which the mask has changed.

        Args:
            value: Value of the lesion.
            points: Voxels (i, j, k) of the scan's file.
            sign: Foreground or background.
            predict: Whether to compute the mask now. If not, the next click that computes it counts these clicks, too.

        Raises:
            PromptError: A click lies outside the scan, or all clicks would be background clicks. Nothing has changed
                then.
            RefusalError: There is no such lesion, or it would have too many clicks.
        """
        marked = self.lesion(value)
        if len(marked.clicks) + len(points) > MOST_CLICKS:
            raise RefusalError(422, f"a lesion may have {MOST_CLICKS} clicks")
        new = [Click((i, j, k), sign, "voxel", marked.lesion) for i, j, k in points]
        grid = self.scan.grid
        locate_clicks(new, grid, grid, self.name)
        every = (*marked.clicks, *new)
        if predict and not any(click.sign == FOREGROUND for click in every):
            raise PromptError(
                f"{self.name}: all clicks are background; add a foreground click on the target"
            )
        return self._replace(marked, every, predict=predict)

    def add_or_keep(
        self,
        value: int,
        points: Sequence[Sequence[float]],
        sign: int = FOREGROUND,
        *,
        predict: bool = True,
    ) -> bool:
        """Add clicks like `add_clicks`, but keep background clicks that come before any foreground click.

        Viewers show no reason for a refusal. Such clicks have an effect as soon as there is a foreground click.

        Returns:
            Whether the mask was computed.
        """
        signs = {sign, *(click.sign for click in self.lesion(value).clicks)}
        ready = predict and FOREGROUND in signs
        self.add_clicks(value, points, sign, predict=ready)
        return ready

    def undo(self, value: int, number: int = 1) -> Box | None:
        """Remove the last clicks of a lesion. Return the box in which the mask has changed.

        Raises:
            PromptError: The lesion has no click.
        """
        marked = self.lesion(value)
        if not marked.clicks:
            raise PromptError(f"{self.name}: there is no click to undo")
        return self._replace(marked, marked.clicks[: -max(1, number)])

    def set_clicks(self, value: int, clicks: tuple[Click, ...]) -> Box | None:
        """Replace all clicks of a lesion. Return the box in which the mask has changed."""
        return self._replace(self.lesion(value), clicks)

    def update(self) -> Box | None:
        """Compute the mask of all clicks so far. Return the box in which the mask has changed.

        This is needed after clicks that were added without computing the mask.
        """
        return self._update()

    def _replace(
        self, marked: MarkedLesion, clicks: tuple[Click, ...], *, predict: bool = True
    ) -> Box | None:
        before, marked.clicks = marked.clicks, clicks
        try:
            return self._update() if predict else None
        except BaseException:
            marked.clicks = before
            raise

    def _update(self) -> Box | None:
        """Compute the mask of all lesions, and return the box in which it has changed."""
        scan = self.scan
        found: dict[Lesion, Prediction] = {}
        for marked in self.lesions.values():
            if any(click.sign == FOREGROUND for click in marked.clicks):
                found[marked.lesion] = scan.predict(marked.clicks)
        region, questions = NOTHING, []
        if found:
            mask = merge(found, scan.volume)
            region = Region.of(as_stored(mask, scan.volume))
            questions = [*_about_masks(found), *_about_clicks(self.clicks, scan, mask)]
        changed = changed_box(self.region, region)
        self.region, self.questions = region, tuple(questions)
        self._measure(scan)
        return changed

    def _measure(self, scan: OpenScan) -> None:
        for marked in self.lesions.values():
            mask = self.region.values == marked.lesion.value
            marked.ml = round(int(np.count_nonzero(mask)) * scan.grid.voxel_ml, 4)
            marked.longest_mm = round(longest_axial_mm(mask, scan.grid), 2)


def _about_masks(found: dict[Lesion, Prediction]) -> Iterator[str]:
    """Yield what looks odd about the predictions of the lesions."""
    for lesion, prediction in found.items():
        name = lesion.name or f"lesion {lesion.value}"
        if not (prediction.probabilities > 0.5).any():
            yield f"{name}: the mask is empty; is the click where it should be?"
        if not prediction.closed:
            yield f"{name}: the mask still reaches the border of its {len(prediction.windows)} windows"
        if prediction.clicks_outside_window:
            yield f"{name}: clicks that lie outside the window and were not used: {prediction.clicks_outside_window}"


def _about_clicks(
    clicks: Sequence[Click], scan: OpenScan, mask: NDArray[np.uint8]
) -> Iterator[str]:
    """Yield a question about the first foreground click on air or metal, and about the first one outside the mask."""
    is_outside = in_air = False
    for click in clicks:
        if click.sign != FOREGROUND:
            continue
        record = describe_click(click, scan.volume, mask)
        if not in_air and not scan.tissue[0] <= record.intensity <= scan.tissue[1]:
            in_air = True
            yield doubt_click(click, record, scan.volume, scan.tissue)
        if not is_outside and not record.in_mask:
            is_outside = True
            yield f"the click {format_point(record.voxel)} of the file lies outside the mask; is it where it should be?"
