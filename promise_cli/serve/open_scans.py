"""Keeps scans open for clicks. Their voxels and encoded windows stay in memory until other scans need the memory."""

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.questions import question_scan
from promise_cli.errors import PromiseError, PromptError
from promise_cli.geometry.grid import Grid, Shape
from promise_cli.jobs import free_memory
from promise_cli.predict.doubt import tissue_limits
from promise_cli.prompts import Click
from promise_cli.serve.refusal import RefusalError
from promise_cli.volume import Volume, read_grid, read_scan

if TYPE_CHECKING:
    from promise_cli.session.kept import KeptWindows
    from promise_cli.session.prediction import Prediction
    from promise_cli.session.predictor import Predictor
    from promise_cli.session.session import Session

MOST_KEPT = 1 << 28
"""Largest number of bytes of a scan's predictions that are kept, so that undo takes no time."""
MOST_BYTES = 1 << 33
"""Largest number of bytes of all open scans."""
MEAN_TOLERANCE = 1e-4
"""Largest difference of two means that count as equal, as a share of the scan's range."""
_Key = tuple[tuple[tuple[float, float, float], int, str], ...]


class OpenScan:
    """A scan with its voxels, its session and its latest predictions."""

    def __init__(
        self,
        name: str,
        volume: Volume,
        predictor: "Predictor",
        kept: "KeptWindows",
        max_windows: int,
    ) -> None:
        """Hold a volume that was read with the orientation of the predictor's plan."""
        self.name, self.volume = name, volume
        self._predictor, self._kept, self._max_windows = predictor, kept, max_windows
        self._predictions: OrderedDict[_Key, Prediction] = OrderedDict()

    @cached_property
    def session(self) -> "Session":
        """Session that computes the masks. To make it takes seconds, so `prepare` makes it before the first click."""
        return self._predictor.open(
            self.volume, max_windows=self._max_windows, kept=self._kept, where=self.name
        )

    @property
    def channel_names(self) -> list[str]:
        """Names of the channels that the network sees, such as CT or T1w."""
        return [channel.modality for channel in self._predictor.plan.channels]

    def channel(self, number: int) -> NDArray[Any]:
        """Return the voxels (I, J, K) of a channel, counted from 1, in the order of the volume.

        Raises:
            RefusalError: There is no such channel.
        """
        if not 1 <= number <= len(self.volume.channels):
            raise RefusalError(422, f"channel: the scan has {len(self.volume.channels)}")
        found: NDArray[Any] = self.volume.channels[number - 1]
        return found

    @cached_property
    def tissue(self) -> tuple[float, float]:
        """Lowest and highest intensity of tissue in this scan."""
        return tissue_limits(self.volume, self._predictor.plan)

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """What looks odd about the scan's geometry and intensities, in the words of promise-predict."""
        return question_scan(self.volume, self._predictor.plan)

    @property
    def grid(self) -> Grid:
        """Grid of the scan's file."""
        return self.volume.stored_grid

    @property
    def bytes(self) -> int:
        """Memory of the voxels, as read and as resampled for the networks, and of the predictions."""
        plan, grid = self._predictor.plan, self.volume.grid
        voxels = np.prod(grid.shape, dtype=float) * len(plan.channels)
        resampled = 4 * voxels * np.prod(grid.spacing) / np.prod(plan.spacing)
        return int(self.volume.array.nbytes + resampled) + self._kept_bytes

    def prepare(self) -> None:
        """Prepare what the first click needs, so that the click takes less time."""
        assert self.session is not None
        assert self.tissue

    def predict(self, clicks: tuple[Click, ...]) -> "Prediction":
        """Return the prediction from the clicks of one lesion, exactly as promise-predict makes it.

        Raises:
            PromptError: A click lies outside the scan or the single window, or no click is in the foreground.
        """
        key = tuple((click.point, click.sign, click.space) for click in clicks)
        found = self._predictions.pop(key, None) or self.session.prompt(clicks)
        if found.clicks_outside_window == len(clicks):
            raise PromptError(
                f"{self.name}: all clicks lie outside the single window; give one click"
            )
        self._predictions[key] = found
        while len(self._predictions) > 1 and self._kept_bytes > MOST_KEPT:
            self._predictions.popitem(last=False)
        return found

    @property
    def _kept_bytes(self) -> int:
        return sum(one.probabilities.nbytes for one in self._predictions.values())

    def close(self) -> None:
        """Drop the predictions and the encoded windows that are kept for further clicks."""
        self._predictions.clear()
        if "session" in self.__dict__:
            self.session.close()


class OpenScans:
    """The scans that the server was started with. They are read on demand, and closed when memory is needed."""

    def __init__(
        self,
        scans: Mapping[str, tuple[Path, ...]],
        predictor: "Predictor",
        kept: "KeptWindows",
        max_windows: int,
    ) -> None:
        """List scans by name. Open ones use at most half of the memory that is free now, and at most `MOST_BYTES`."""
        self.files = dict(scans)
        self.most_bytes = min(MOST_BYTES, free_memory() // 2)
        self._predictor, self._kept, self._max_windows = predictor, kept, max_windows
        self._open: OrderedDict[str, OpenScan] = OrderedDict()
        self._grids: dict[str, Grid] = {}
        self._means: dict[str, list[tuple[float, float]]] = {}
        """Mean and range of the intensities of each channel, for each scan that was read."""

    @property
    def open_names(self) -> tuple[str, ...]:
        """Names of the open scans. The one that was used last comes last."""
        return tuple(self._open)

    def name_of(self, given: str) -> str:
        """Return the name of a scan that a client named by its name or its position in the list.

        Raises:
            RefusalError: There is no such scan.
        """
        if given in self.files:
            return given
        names = list(self.files)
        if given.isdecimal() and len(given) < 8 and int(given) < len(names):
            return names[int(given)]
        raise RefusalError(404, "there is no such scan; GET /api/scans lists them")

    def grid(self, name: str) -> Grid:
        """Return the grid of a scan's file, from its header alone."""
        if name not in self._grids:
            self._grids[name] = read_grid(self.files[name][0], several=True)
        return self._grids[name]

    def names_of_shape(self, shape: Shape) -> list[str]:
        """Return the names of scans that have this shape in any order of their axes. Unreadable scans are left out."""
        found = []
        for name in self.files:
            try:
                if sorted(self.grid(name).shape) == sorted(shape):
                    found.append(name)
            except (OSError, MemoryError, PromiseError):
                continue
        return found

    def may_have_mean(self, name: str, mean: float) -> bool:
        """Return whether a channel of a scan may have this mean intensity. True if the scan was not read yet."""
        return name not in self._means or any(
            abs(known - mean) <= MEAN_TOLERANCE * max(width, 1e-6)
            for known, width in self._means[name]
        )

    def open(self, name: str) -> OpenScan:
        """Return a scan of the list with its voxels. The scan is read if it is not open.

        Raises:
            VolumeError: The scan cannot be read.
        """
        found = self._open.pop(name, None)
        if found is None:
            plan = self._predictor.plan
            names = [channel.modality for channel in plan.channels]
            volume = read_scan(self.files[name], names, plan.orientation, keep_integers=True)
            found = self.hold(name, volume)
            self._means[name] = [
                (float(one.mean(dtype=np.float64)), float(one.max()) - float(one.min()))
                for one in volume.channels
            ]
        self._open[name] = found
        while (
            len(self._open) > 1 and sum(one.bytes for one in self._open.values()) > self.most_bytes
        ):
            _, oldest = self._open.popitem(last=False)
            oldest.close()
        return found

    def hold(self, name: str, volume: Volume) -> OpenScan:
        """Make voxels that were read or uploaded ready for clicks. The scan does not enter the list of open scans."""
        return OpenScan(name, volume, self._predictor, self._kept, self._max_windows)
