"""Let SIGTERM end a command as Ctrl-C does, say what is finished then, and hold signals back where needed."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Terminated(KeyboardInterrupt):
    """SIGTERM came. It ends a command as Ctrl-C does."""


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Raise `Terminated` if SIGTERM comes while the block runs. Further ones are ignored, so that the block can end.

    Outside the main thread, and in a process that ignores SIGTERM, this does nothing.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    if not main or before == signal.SIG_IGN:
        yield
        return

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        raise Terminated

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextmanager
def stop_says(describe: Callable[[], str]) -> Iterator[None]:
    """Put what is finished into the message of a Ctrl-C or SIGTERM that ends the block.

    A message that an inner block has set is kept.

    Args:
        describe: Function that says what is finished, and how to continue. Not called if a message is set.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        if str(stop):
            raise
        raise type(stop)(f"stopped by {_name(stop)}; {describe()}") from None


def stop_message(stop: KeyboardInterrupt) -> str:
    """Return the message of a Ctrl-C or SIGTERM; a general one if no block has set one."""
    general = "finished work is kept; run the same command again to continue"
    return str(stop) or f"stopped by {_name(stop)}; {general}"


def _name(stop: KeyboardInterrupt) -> str:
    return "SIGTERM" if isinstance(stop, Terminated) else "SIGINT"


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
