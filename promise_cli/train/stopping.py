"""End a training early, after the current step, on Ctrl-C, SIGTERM or `--max-hours`."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether to stop a training, and why.

    The first Ctrl-C or SIGTERM asks for a stop after the current step. A further Ctrl-C interrupts at once, as usual.
    """

    def __init__(self, max_hours: float | None = None) -> None:
        """Start to count the hours. Signals are handled only within `listening`."""
        self._deadline = None if max_hours is None else time.monotonic() + 3600 * max_hours
        self._max_hours = max_hours
        self.signal: str | None = None
        """Name of the signal that came; None before."""

    @property
    def reason(self) -> str | None:
        """Reason for stopping; None if there is none."""
        if self.signal is not None:
            return self.signal
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return f"--max-hours {self._max_hours:g}"
        return None

    @contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        """Handle the signals while the block runs. Outside the main thread, Python allows no handlers: do nothing."""
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
        self.signal = signal.Signals(number).name


def leave_signals_to_parent(_: int = 0) -> None:
    """Ignore signals in a process that reads samples. The training decides when to stop, and ends such processes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
