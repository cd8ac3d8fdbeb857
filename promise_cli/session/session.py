"""One scan that is open for clicks: click, look, click again, take back."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from promise_cli.console import warn
from promise_cli.dataset.plan import Plan
from promise_cli.errors import PromptError
from promise_cli.geometry.patch import Patch
from promise_cli.geometry.resample import resample_window
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
from promise_cli.session.neighbours import MAX_WINDOWS
from promise_cli.session.networks import MAX_STATES, Networks
from promise_cli.session.placement import windows_for, windows_over
from promise_cli.session.prediction import Prediction
from promise_cli.volume import Volume, as_stored


@dataclass(frozen=True, eq=False)
class _Step:
    """What one click led to."""

    clicks: tuple[Click, ...]
    clicked_windows: tuple[Patch, ...]
    prediction: Prediction


@dataclass(eq=False)
class Session:
    """A scan, the clicks on it so far, and what they mean.

    Made by `Predictor.open`. Masks are given as the file stores the scan, in which a click's voxel is `mask[i, j, k]`.
    """

    networks: Networks
    plan: Plan
    scan: Volume
    """Read with the plan's orientation."""
    where: str = "scan"
    """Names the case in errors."""
    max_windows: int = MAX_WINDOWS
    """Most windows for one lesion; 1 is the paper's single window."""
    seconds: Seconds = field(default_factory=Seconds)
    keep_windows: int = MAX_STATES
    """Number of encoded windows kept for further clicks, where memory allows; read when the scan is opened."""
    _steps: list[_Step] = field(default_factory=list, init=False)
    _told: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._answers = Answers(
            self.networks, self.plan, self.scan, self.keep_windows, self.seconds
        )

    @property
    def clicks(self) -> tuple[Click, ...]:
        """All that count now."""
        return self._steps[-1].clicks if self._steps else ()

    @property
    def prediction(self) -> Prediction | None:
        """What the clicks so far mean; None without any."""
        return self._steps[-1].prediction if self._steps else None

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(I, J, K) as the file stores the scan; empty without clicks."""
        if self.prediction is None:
            return np.zeros(self.scan.stored_grid.shape, dtype=bool)
        return as_stored(self.prediction.mask, self.scan)

    def click(
        self,
        point: Sequence[float],
        sign: int = FOREGROUND,
        *,
        space: Space = "voxel",
        label: int | None = None,
    ) -> NDArray[np.bool_]:
        """Add a click and return the mask of all clicks so far.

        A click inside the window of an earlier click reuses it; another click opens a window around itself.

        Args:
            point: Three numbers; voxel (i, j, k) of the file, unless `space` says otherwise.
            sign: 1 for a click on the lesion (foreground), 0 for a click outside it (background).
            space: `voxel`, `voxel_zyx`, `LPS` or `RAS`.
            label: The earlier name of `sign`, which it overrules.

        Raises:
            PromptError: The click lies outside the scan, the first one is in the background, or the networks take no
                clicks.
            ValueError: The sign or the space is none of these.
        """
        sign = sign if label is None else label
        if sign not in (FOREGROUND, BACKGROUND):
            raise ValueError(f"sign {sign}; 1 is foreground, 0 background")
        x, y, z = (float(value) for value in point)
        new = Click((x, y, z), FOREGROUND if sign else BACKGROUND, space)
        earlier = self._steps[-1].clicked_windows if self._steps else ()
        self._predict((*self.clicks, new), earlier)
        return self.mask

    def undo(self) -> NDArray[np.bool_]:
        """Undo the last click and return the mask of those before it; nothing is computed.

        Raises:
            PromptError: There is no click.
        """
        if not self._steps:
            raise PromptError(f"{self.where}: no click to take back")
        self._steps.pop()
        return self.mask

    def reset(self) -> None:
        """Forget all clicks; encoded windows are kept for those to come."""
        self._steps.clear()

    def prompt(self, clicks: Sequence[Click]) -> Prediction:
        """Predict from these clicks, all at once, in place of any earlier ones.

        The window lies round the middle of the foreground clicks, as the authors test; clicks that do not fit into one
        window get several, unless only one is allowed.

        Raises:
            PromptError: A click lies outside the scan, or none is in the foreground.
        """
        self.reset()
        return self._predict(tuple(clicks), ())

    def slide(self) -> Prediction:
        """Look at the whole scan without a click, in windows that overlap by half.

        So are networks asked that take no clicks; with ProMISe the paper does not do so.
        """
        nowhere, no_labels = np.zeros((0, 3), np.int64), np.zeros(0, np.int64)
        answers = self._answers
        windows = windows_over(answers.grid.shape, self.plan.patch_size)
        windows = [window for window in windows if answers.holds_tissue(window)] or windows[:1]
        canvas = Canvas.holding(windows)
        for window in windows:
            canvas.add(window, answers.ask(window, nowhere, no_labels))
        return self._back_to_scan(canvas, canvas.fused(), nowhere, closed=True)

    def _predict(self, clicks: tuple[Click, ...], earlier: tuple[Patch, ...]) -> Prediction:
        if not self.networks.take_clicks:
            raise PromptError(
                f"{self.where}: {self.networks.checkpoints[0]} takes no clicks; look at the whole scan with slide(), or"
                " train with --clicks-as-channel"
            )
        located = locate_clicks(clicks, self.scan.stored_grid, self._answers.grid, self.where)
        signs = np.array([click.sign for click in clicks])
        foreground = located[signs == FOREGROUND]
        if not len(foreground):
            raise PromptError(f"{self.where}: all clicks are background; add one on the target")
        if len(foreground) < len(located) and not self.networks.know_background:
            self._tell_of_background()
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
        prediction = self._back_to_scan(canvas, fused, located, closed=closed)
        self._steps.append(_Step(clicks, windows, prediction))
        return prediction

    def _tell_of_background(self) -> None:
        """Once a scan: to such a network each click is one on the target."""
        if not self._told:
            warn(
                f"{self.where}: background clicks are left out, since {self.networks.checkpoints[0]} was trained"
                " without any; train with --set num_background_clicks=10"
            )
        self._told = True

    def _back_to_scan(
        self, canvas: Canvas, fused: Volume32, located: NDArray[np.int64], *, closed: bool
    ) -> Prediction:
        seen = np.any([window.inside(located) for window in canvas.windows], axis=0)
        began = time.monotonic()
        assert canvas.block is not None
        block, place = resample_window(
            fused, canvas.block.origin, self._answers.grid.shape, self.scan.grid.shape
        )
        self.seconds.resample += time.monotonic() - began
        return Prediction(
            block,
            place,
            self.scan.grid.shape,
            tuple(canvas.windows),
            int((~seen).sum()),
            closed,
        )
