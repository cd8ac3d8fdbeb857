"""Signals that wait while something must not be cut short."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signals_held(*numbers: signal.Signals) -> Iterator[None]:
    """Let these signals come when the block is done; a process begun in the block never gets them.

    A signal that is blocked stays so in a new process; but other threads of this one may still get it, which is why
    its handler waits too.
    """
    main = threading.current_thread() is threading.main_thread()
    if not (main and hasattr(signal, "pthread_sigmask")):  # Windows has none
        yield
        return
    came: list[int] = []
    handlers = {number: signal.signal(number, lambda n, _: came.append(n)) for number in numbers}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    for late in came:
        signal.raise_signal(late)
