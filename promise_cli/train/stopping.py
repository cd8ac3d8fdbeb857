"""End a training early, after the current step, on Ctrl-C, SIGTERM or `--max-hours`."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE_S = 20.0
"""Seconds that the current step has left after a signal. A training in one process then stops waiting for samples."""


class StopRequest:
    """Whether to stop a training, and why.

    The first Ctrl-C or SIGTERM asks for a stop after the current step. A further Ctrl-C interrupts at once, as usual.
    """

    def __init__(self, max_hours: float | None = None) -> None:
        """Start counting the hours. None sets no limit. Signals are handled only within `listening`."""
        self._deadline = None if max_hours is None else time.monotonic() + 3600 * max_hours
        self._max_hours = max_hours
        self.signal: str | None = None
        """Name of the last signal that was received, such as `SIGTERM`; None if there was none."""
        self._since = math.inf

    @property
    def reason(self) -> str | None:
        """Signal or option that asks for a stop, such as `SIGINT` or `--max-hours 8`. None if there is none."""
        if self.signal is not None:
            return self.signal
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return f"--max-hours {self._max_hours:g}"
        return None

    @property
    def is_overdue(self) -> bool:
        """Whether the first signal came so long ago that the current step should have ended."""
        return time.monotonic() - self._since > PATIENCE_S

    @contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        """Handle SIGINT and SIGTERM while the block runs.

        Outside the main thread nothing is done, since Python allows no signal handlers there.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        self._since = min(self._since, time.monotonic())
        self.signal = signal.Signals(number).name


def leave_signals_to_parent(_: int = 0) -> None:
    """Ignore SIGINT and SIGTERM in a process that reads samples.

    The training's own process decides when to stop, and then ends these processes. The argument is not used; torch
    passes the number of the process.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
