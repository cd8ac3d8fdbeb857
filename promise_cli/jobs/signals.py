"""Hold signals back while something must not be interrupted."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signals_held(*numbers: signal.Signals) -> Iterator[None]:
    """Hold these signals back until the block is done. A process that is started in the block never gets them.

    The signals are blocked, and a new process inherits that. Other threads of this process may still get them, so their
    handlers are replaced, too, by one that only notes the signal. Noted signals are raised again after the block. On
    Windows and outside the main thread this does nothing.
    """
    main = threading.current_thread() is threading.main_thread()
    if not (main and hasattr(signal, "pthread_sigmask")):  # not on Windows
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
