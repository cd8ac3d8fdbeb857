"""The lesions that one client marks on one scan: their clicks, and the mask that follows from the clicks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import PromptError
from promise_cli.geometry.grid import Grid
from promise_cli.predict.cases import merge
from promise_cli.prompts import FOREGROUND, Click, Lesion, locate_clicks
from promise_cli.serve.asked_objects import (
    NO_OBJECTS,
    AskedObjects,
    Voxels,
    by_object,
    numbers_of,
    renamed,
)
from promise_cli.serve.open_scans import OpenScan
from promise_cli.serve.questions import about_clicks, about_masks
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.regions import NOTHING, Box, Region, changed_box, longest_axial_mm
from promise_cli.session.objects import merge_objects
from promise_cli.session.prediction import Prediction
from promise_cli.volume import Volume, as_stored

MOST_LESIONS = 50
"""Largest number of lesions on a scan."""
MOST_CLICKS = 500
"""Largest number of clicks on a lesion."""


@dataclass
class MarkedLesion:
    """A lesion and its clicks."""

    lesion: Lesion
    """The lesion. Its name is that of its object if the networks segment several objects."""
    colour: str
    clicks: tuple[Click, ...] = ()
    ml: float = 0.0
    """Volume of the lesion's mask in millilitres, with the objects within its own."""
    longest_mm: float = 0.0
    """Longest diameter of the lesion's mask in an axial slice, in mm."""
    is_predicted: bool = False
    """Whether the networks have outlined the lesion, so that its window is encoded."""


class Marking:
    """The clicks of one client on one scan, and their mask. What computes the mask or reads the scan takes seconds."""

    def __init__(
        self, name: str, scan: Callable[[], OpenScan], objects: AskedObjects = NO_OBJECTS
    ) -> None:
        """Begin without a click. `scan` returns the open scan, and reads it again if it was closed in the meantime."""
        self.name = name
        """Name of the scan."""
        self._scan, self._objects = scan, objects
        self.lesions: dict[int, MarkedLesion] = {}
        """Lesions by their number."""
        self.region = NOTHING
        """The number of the lesion of each voxel. Without objects, these are the values of the mask."""
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
        """Add a lesion without clicks, and return its number.

        Args:
            name: Name of the lesion or of its object; may be empty.
            colour: Colour in which a client shows it.
            value: Number, 1 to 255. None stands for the lowest free one.

        Raises:
            RefusalError: There are too many lesions, or the number is taken.
            PromptError: The networks segment several objects, and none has this name.
        """
        if len(self.lesions) >= MOST_LESIONS:
            raise RefusalError(422, f"a scan may have {MOST_LESIONS} lesions")
        if value is None:
            value = next(number for number in range(1, 256) if number not in self.lesions)
        if value in self.lesions:
            raise RefusalError(422, f"lesion {value} exists already")
        self.lesions[value] = MarkedLesion(self._objects.lesion(value, name), colour)
        return value

    def change_look(self, value: int, name: str | None, colour: str | None) -> Box | None:
        """Change the name or the colour of a lesion. None leaves it as it is.

        Returns:
            The box in which the mask has changed, as it does if the name is that of another object.
        """
        marked = self.lesion(value)
        if name is not None:
            lesion = self._objects.lesion(value, name)
            if marked.clicks:
                self._objects.check_chosen(lesion, self.name)
        with self._all_or_nothing():
            marked.colour = marked.colour if colour is None else colour
            if name is not None:
                marked.lesion, marked.clicks = lesion, renamed(marked.clicks, lesion)
            return self._update() if name is not None and self._objects.objects else None

    def remove_lesion(self, value: int) -> Box | None:
        """Remove a lesion with its clicks, unless that fails. Return the box in which the mask has changed."""
        self.lesion(value)
        with self._all_or_nothing():
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
        self._objects.check_chosen(marked.lesion, self.name)
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
        marked = self.lesion(value)
        return self._replace(marked, renamed(clicks, marked.lesion))

    def update(self) -> Box | None:
        """Compute the mask of all clicks so far. Return the box in which the mask has changed.

        This is needed after clicks that were added without computing the mask.
        """
        return self._update()

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Put the lesions back as they were if a change of them fails."""
        before = {value: replace(marked) for value, marked in self.lesions.items()}
        try:
            yield
        except BaseException:
            self.lesions = before
            raise

    def _replace(
        self, marked: MarkedLesion, clicks: tuple[Click, ...], *, predict: bool = True
    ) -> Box | None:
        with self._all_or_nothing():
            marked.clicks = clicks
            return self._update() if predict else None

    def _update(self) -> Box | None:
        """Compute the mask of all lesions, and return the box in which it has changed."""
        scan = self.scan
        found: dict[Lesion, Prediction] = {}
        for marked in self.lesions.values():
            if any(click.sign == FOREGROUND for click in marked.clicks):
                found[marked.lesion] = scan.predict(marked.clicks)
        region, questions = NOTHING, []
        sizes: dict[Lesion, tuple[float, float]] = {}
        if found:
            mask, region, parts = self._merge(found, scan.volume)
            questions = [
                *about_masks(found),
                *about_clicks(self.clicks, scan, mask, self._objects),
            ]
            sizes = {lesion: _measure(part, scan.grid) for lesion, part in parts}
        changed = changed_box(self.region, region)
        # Nothing can fail from here on. An error above has changed nothing.
        for marked in self.lesions.values():
            marked.ml, marked.longest_mm = sizes.get(marked.lesion, (0.0, 0.0))
            marked.is_predicted = marked.lesion in found
        self.region, self.questions = region, tuple(questions)
        return changed

    def _merge(
        self, found: dict[Lesion, Prediction], scan: Volume
    ) -> tuple[Voxels, Region, Iterator[tuple[Lesion, NDArray[np.bool_]]]]:
        """Return the mask as it is saved, the number of each voxel's lesion, and the part of each lesion."""
        if not self._objects.objects:
            mask = merge(found, scan)
            region = Region.of(as_stored(mask, scan))
            return mask, region, ((one, region.values == one.value) for one in found)
        mask = merge_objects(found, self._objects.objects, scan)
        groups = by_object(found)
        numbers = np.zeros_like(mask)
        for its in groups:
            numbers += numbers_of(mask, its)

        def parts() -> Iterator[tuple[Lesion, NDArray[np.bool_]]]:
            for its in groups:
                values = self._objects.values_of(next(iter(its)))
                held = Region.of(as_stored(numbers_of(mask, its, values), scan)).values
                yield from ((one, held == one.number) for one in its)

        return mask, Region.of(as_stored(numbers, scan)), parts()


def _measure(mask: NDArray[np.bool_], grid: Grid) -> tuple[float, float]:
    """Return the volume of a lesion's mask in ml, and its longest axial diameter in mm."""
    ml = round(int(np.count_nonzero(mask)) * grid.voxel_ml, 4)
    return ml, round(longest_axial_mm(mask, grid), 2)
