"""Holds what all clients of the server share: networks, scans, sessions, and the thread that computes."""

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from promise_cli.console import warn
from promise_cli.disk.workspace import Workspace, open_workspace
from promise_cli.predict.inputs import find_scans, name_of
from promise_cli.serve.array_axes import ArrayAxes
from promise_cli.serve.made_masks import MadeMasks
from promise_cli.serve.marking import Marking
from promise_cli.serve.open_scans import OpenScans
from promise_cli.serve.recognise import recognise, unknown_scan
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.serve_request import ServeRequest
from promise_cli.serve.sessions import ClientSession, Sessions
from promise_cli.serve.worker import Worker
from promise_cli.session.kept import KeptWindows
from promise_cli.session.networks import MAX_STATES
from promise_cli.volume import scan_of_array

if TYPE_CHECKING:
    from promise_cli.session.predictor import Predictor

Result = TypeVar("Result")
MOST_UPLOADS = 4
"""Largest number of uploaded scans that are held in memory because they are not in the list."""


class Service:
    """Networks, scans and sessions of a server."""

    def __init__(self, request: ServeRequest, predictor: "Predictor") -> None:
        """Find the scans. None is read yet.

        Raises:
            PromptError: There is no scan.
        """
        self.request, self.predictor = request, predictor
        self.workspace: Workspace = open_workspace(request.root)
        self.output = request.output or self.workspace.predictions / name_of(request.images)
        kept = KeptWindows(MAX_STATES // predictor.networks.states_per_window)
        self.kept = kept
        self.scans = OpenScans(
            find_scans(request.images, len(predictor.plan.channels)),
            predictor,
            kept,
            request.max_windows,
        )
        self.sessions = Sessions(request.minutes)
        self.made_masks = MadeMasks()
        self.worker = Worker(self.sessions.drop_unused)
        self._first: deque[float] = deque(maxlen=9)
        """Durations in seconds of the latest clicks that were the first of their lesion. They encode a window."""
        self._further: deque[float] = deque(maxlen=9)
        """Durations in seconds of the latest other clicks. Most of them find their window encoded."""

    def expected_seconds(self, *, first: bool) -> float | None:
        """Return how many seconds a click will probably take, together with the jobs that wait before it.

        Args:
            first: Whether it is the first click of its lesion.

        Returns:
            None if no click of this kind was made yet.
        """
        known = self._first if first else self._further
        others = max(0, self.worker.waiting - 1)  # the job that is being computed is nearly over
        return round(statistics.median(known) * (1 + others), 3) if known else None

    async def compute(self, request: Request, job: Callable[[], Result]) -> Result:
        """Compute a job in the thread of the networks, unless the client goes away before its turn."""
        return await self.worker.run(job, request.is_disconnected)

    @contextmanager
    def timing(self, *, first: bool) -> Iterator[None]:
        """Note how long a click takes. A click that fails is not noted.

        Args:
            first: Whether the click is the first of its lesion.
        """
        began = time.monotonic()
        yield
        (self._first if first else self._further).append(time.monotonic() - began)

    def mark(self, name: str) -> Marking:
        """Return a new marking of a scan of the list."""
        return Marking(name, lambda: self.scans.open(name))

    def take_image(
        self,
        session: ClientSession,
        array: NDArray[Any],
        usual: ArrayAxes,
        spacing: Sequence[float] | None = None,
    ) -> None:
        """Give a session the scan whose voxels the client has sent.

        Args:
            session: The client's session. Its earlier scan and clicks are dropped.
            array: Voxels with three axes.
            usual: Axes that the array is assumed to have if its scan is not in the list.
            spacing: Spacing in mm along the axes of the array, if the client has sent it.

        Raises:
            RefusalError: The scan is not in the list, and it cannot be held: its spacing is unknown, the network needs
                several channels, or too many such scans are open. Or several scans have these voxels.
        """
        session.marking, session.is_upload = None, False
        known = recognise(array, self.scans)
        if known is not None:
            session.marking, session.axes = self.mark(known[0]), known[1]
        else:
            session.marking, session.axes = self._hold(array, usual, spacing), usual
            session.is_upload = True
        session.marking.add_lesion()

    def _hold(
        self, array: NDArray[Any], axes: ArrayAxes, spacing: Sequence[float] | None
    ) -> Marking:
        """Hold an uploaded scan in memory, whose position and orientation in space are unknown."""
        own = self.request.spacing
        if own is None and spacing is not None:
            a, b, c = spacing
            own = axes.stored_index((a, b, c), (0, 0, 0)) if not any(axes.flipped) else None
        channels = len(self.predictor.plan.channels)
        if channels > 1:
            raise RefusalError(
                422, f"the uploaded voxels are none of the scans of this server, and the network needs {channels}"
                " channels; start promise-serve with -i FOLDER that holds the scan"
            )  # fmt: skip
        if own is None:
            raise unknown_scan(array)
        if self.sessions.uploads() >= MOST_UPLOADS:
            raise RefusalError(503, f"{MOST_UPLOADS} uploaded scans are open; close one of them")
        # The directions of an unknown scan are those that ITK gives to an image without any: left, back, up.
        affine = np.diag([-own[0], -own[1], own[2], 1.0])
        stored = np.ascontiguousarray(axes.stored_of(array))
        volume = scan_of_array(stored, affine, self.predictor.plan.orientation)
        name = "uploaded scan"
        warn(f"{name}: not among {self.request.images}; its axes are taken as left, back, up")
        held = self.scans.hold(name, volume)
        return Marking(name, lambda: held)
