"""A session on one scan, in which clicks are added and undone, and each change gives a new mask."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.console import counted, warn
from promise_cli.dataset.objects import list_objects
from promise_cli.dataset.plan import Plan
from promise_cli.errors import PromptError
from promise_cli.geometry.grid import format_shape
from promise_cli.geometry.patch import Patch
from promise_cli.predictions.record import Seconds
from promise_cli.prompts import (
    BACKGROUND,
    FOREGROUND,
    Click,
    Space,
    locate_clicks,
)
from promise_cli.session.answers import Answers
from promise_cli.session.following import follow
from promise_cli.session.fusion import Canvas, Volume32
from promise_cli.session.kept import KeptWindows
from promise_cli.session.neighbours import MAX_WINDOWS
from promise_cli.session.networks import MAX_STATES, Networks
from promise_cli.session.notebook import show_scan
from promise_cli.session.objects import choose_lesion
from promise_cli.session.placement import windows_for, windows_over
from promise_cli.session.prediction import Prediction, to_scan
from promise_cli.session.save import save_mask
from promise_cli.session.step import Step, as_point, merged_mask
from promise_cli.volume import Volume, as_stored


@dataclass(eq=False, repr=False)
class Session:
    """A scan, the clicks on it so far, and the prediction from these clicks.

    `Predictor.open` creates a session. Masks have the shape and the axes of the stored file, so the voxel (i, j, k) of
    a click is `mask[i, j, k]`.
    """

    networks: Networks
    plan: Plan
    scan: Volume
    """Scan, read with the plan's orientation."""
    where: str = "scan"
    """Name of the case in messages."""
    max_windows: int = MAX_WINDOWS
    """Largest number of windows for one lesion. 1 gives the paper's single window."""
    seconds: Seconds = field(default_factory=Seconds)
    """Time spent on the scan. The session adds to it."""
    keep_windows: int = MAX_STATES
    """Number of encoded windows that are kept for further clicks, if memory allows. Later changes of this field have no
    effect."""
    kept: KeptWindows | None = None
    """Encoded windows that several sessions share, instead of `keep_windows` of this session alone."""
    _steps: list[Step] = field(default_factory=list, init=False)
    _has_warned: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._answers = Answers(
            self.networks,
            self.plan,
            self.scan,
            self.keep_windows,
            self.where,
            self.seconds,
            self.kept,
        )

    def __repr__(self) -> str:
        ml = np.count_nonzero(self.mask) * self.scan.grid.voxel_ml
        return (
            f"<Session on {self.where}: {format_shape(self.scan.stored_grid.shape)} voxels,"
            f" {counted(len(self.clicks), 'click')}, mask of {ml:.1f} ml>"
        )

    @property
    def clicks(self) -> tuple[Click, ...]:
        """Clicks so far, without those that were undone."""
        return self._steps[-1].clicks if self._steps else ()

    @property
    def prediction(self) -> Prediction | None:
        """Prediction from the clicks so far. None without clicks."""
        return self._steps[-1].prediction if self._steps else None

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Mask `(I, J, K)` in the axes of the stored file. Without clicks all of it is background.

        If the networks segment several objects, it is the mask of the object that was clicked last.
        """
        if self.prediction is None:
            return np.zeros(self.scan.stored_grid.shape, dtype=bool)
        return as_stored(self.prediction.mask, self.scan)

    @property
    def label_mask(self) -> NDArray[np.uint8]:
        """Mask `(I, J, K)` of all objects that were clicked, in the axes of the stored file.

        Its values are those of the objects, as in the masks of `promise-predict`. For networks of one target they are 0
        and 1.
        """
        return as_stored(merged_mask(self._steps, self.plan, self.scan), self.scan)

    def click(
        self,
        point: Sequence[float],
        sign: int = FOREGROUND,
        *,
        space: Space = "voxel",
        label: int | None = None,
        object: str | int | None = None,  # noqa: A002  the word of promise-predict --object
    ) -> NDArray[np.bool_]:
        """Add a click and return the mask of all clicks so far, or of all clicks on the same object.

        A foreground click inside the window of an earlier click uses that window. Any other foreground click opens a
        window around itself. If `max_windows` is 1, it moves the only window to the middle of all foreground clicks. A
        background click moves and opens no window.

        Args:
            point: Three numbers. They are the voxel (i, j, k) of the stored file unless `space` says otherwise.
            sign: 1 for a click on the lesion (foreground), 0 for a click outside it (background).
            space: `voxel`, `voxel_zyx`, `LPS` or `RAS`.
            label: Former name of `sign`. If given, it replaces `sign`.
            object: Name or value of the object on which the click lies, or to which a background click belongs. It is
                needed if the networks segment several objects, and refused if they segment one target.

        Raises:
            PromptError: The click is not three numbers or lies outside the scan, no click is in the foreground, the
                networks take no clicks, or the object is missing or unknown.
            ValueError: The sign or the space is not one of the values above.
        """
        sign = sign if label is None else label
        if sign not in (FOREGROUND, BACKGROUND):
            raise ValueError(f"sign {sign} is unknown; use 1 for foreground or 0 for background")
        lesion = choose_lesion(self.plan.objects, object, self.where)
        new = Click(as_point(point), FOREGROUND if sign else BACKGROUND, space, lesion)
        mine = tuple(click for click in self.clicks if click.lesion == lesion)
        of_mine = (step.clicked_windows for step in reversed(self._steps) if step.lesion == lesion)
        step = self._predict((*mine, new), next(of_mine, ()))
        self._steps.append(replace(step, clicks=(*self.clicks, new), lesion=lesion))
        return self.mask

    def undo(self) -> NDArray[np.bool_]:
        """Undo the last click and return the mask of the clicks before it. Nothing is computed.

        Raises:
            PromptError: There is no click.
        """
        if not self._steps:
            raise PromptError(f"{self.where}: there is no click to undo")
        self._steps.pop()
        return self.mask

    def save(
        self, path: Path | str, *, prediction: Prediction | None = None, overwrite: bool = False
    ) -> None:
        """Write the mask as uint8 on the grid of the scan's file, as `promise-predict` does.

        If the networks segment several objects, the mask holds all that were clicked (`label_mask`).

        Args:
            path: The file, whose name ends in `.nii.gz`, `.nii`, `.nrrd` or `.mha`.
            prediction: Another prediction on this scan, such as that of `slide`. None means that of the clicks so far.
            overwrite: Whether to replace an existing file. The scan itself is never replaced.

        Raises:
            PromptError: There is no click, and no prediction was given.
            VolumeError: The file exists already, has another ending, or cannot be written.
        """
        if prediction is None and self.prediction is None:
            raise PromptError(f"{self.where}: there is no mask to save yet; add a click first")
        mask = prediction.mask if prediction else merged_mask(self._steps, self.plan, self.scan)
        save_mask(mask, self.scan, Path(path), self.where, overwrite=overwrite)

    def show(self, *, channel: int = 1, height: int = 400) -> Any:
        """Return a widget for notebooks: the scan on the left, and the scan under its mask on the right.

        The slices are those of the last click, or those in the middle of the scan. The widget does not follow later
        clicks; call this again after them.

        Args:
            channel: Number of the channel that is shown, counted from 1.
            height: Height of the widget in pixels.

        Raises:
            VolumeError: The extra `promise_cli[notebook]` is not installed, or there is no such channel.
        """
        grid = self.scan.grid
        at = (np.array(grid.shape) - 1) / 2
        if self.clicks:
            at = locate_clicks(self.clicks[-1:], self.scan.stored_grid, grid, self.where)[0]
        mask = merged_mask(self._steps, self.plan, self.scan) > 0
        return show_scan(self.scan, mask, at, channel=channel, height=height)

    def reset(self) -> None:
        """Remove all clicks. Encoded windows are kept for further clicks."""
        self._steps.clear()

    def close(self) -> None:
        """Remove all clicks and drop the encoded windows."""
        self.reset()
        self._answers.close()

    def prompt(self, clicks: Sequence[Click]) -> Prediction:
        """Predict from these clicks, all at once, in place of any earlier clicks.

        The window lies around the middle of the foreground clicks, as in the authors' test. Clicks that do not fit into
        one window get several windows, unless only one is allowed.

        Raises:
            PromptError: A click lies outside the scan, no click is in the foreground, or the networks take no clicks.
        """
        self.reset()
        step = self._predict(tuple(clicks), ())
        self._steps.append(step)
        return step.prediction

    def slide(self) -> Prediction:
        """Segment the whole scan without a click, in windows that overlap by at least half.

        This is how networks that take no clicks are used. The paper does not do this with ProMISe. Windows with hardly
        any tissue are skipped.

        Raises:
            PromptError: The networks segment several objects, and need a click to know which one.
        """
        if len(self.plan.objects) > 1 and self.networks.take_clicks:
            raise PromptError(
                f"{self.where}: the networks segment the object that is clicked"
                f" ({list_objects(self.plan.objects)}); click on each object instead"
            )
        nowhere, no_labels = np.zeros((0, 3), np.int64), np.zeros(0, np.int64)
        answers = self._answers
        windows = windows_over(answers.grid.shape, self.plan.patch_size)
        windows = [window for window in windows if answers.holds_tissue(window)] or windows[:1]
        canvas = Canvas.holding(windows)
        for window in windows:
            canvas.add(window, answers.ask(window, nowhere, no_labels))
        return self._back_to_scan(canvas, canvas.fused(), nowhere, closed=True)

    def _predict(self, clicks: tuple[Click, ...], earlier: tuple[Patch, ...]) -> Step:
        if not self.networks.take_clicks:
            raise PromptError(
                f"{self.where}: {self.networks.checkpoints[0]} takes no clicks; segment the whole scan with slide(),"
                " or train with --clicks-as-channel"
            )
        located = locate_clicks(clicks, self.scan.stored_grid, self._answers.grid, self.where)
        signs = np.array([click.sign for click in clicks])
        foreground = located[signs == FOREGROUND]
        if not len(foreground):
            raise PromptError(
                f"{self.where}: all clicks are background; add a foreground click on the target"
            )
        if len(foreground) < len(located) and not self.networks.know_background:
            self._warn_of_background()
            located, signs = foreground, signs[signs == FOREGROUND]
        windows = windows_for(
            foreground,
            self.plan.patch_size,
            earlier,
            single=self.max_windows == 1,
            within=None if self.networks.centre_clicks else self._answers.grid.shape,
        )
        canvas = Canvas()
        for window in windows:
            canvas.add(window, self._answers.ask(window, located, signs))
        fused, closed = follow(canvas, self._answers, located, signs, self.max_windows)
        return Step(clicks, windows, self._back_to_scan(canvas, fused, located, closed=closed))

    def _warn_of_background(self) -> None:
        """Warn that background clicks are left out. The warning is printed once for each scan.

        A network that was trained without background clicks would take them for clicks on the target.
        """
        if not self._has_warned:
            warn(
                f"{self.where}: background clicks are left out, because {self.networks.checkpoints[0]} was trained"
                " without any; train with --set num_background_clicks=10"
            )
        self._has_warned = True

    def _back_to_scan(
        self, canvas: Canvas, fused: Volume32, located: NDArray[np.int64], *, closed: bool
    ) -> Prediction:
        """Resample fused probabilities from the plan's grid to the scan's grid."""
        began = time.monotonic()
        shapes = self._answers.grid.shape, self.scan.grid.shape
        prediction = to_scan(canvas, fused, located, *shapes, closed=closed)
        self.seconds.resample += time.monotonic() - began
        return prediction
