"""Computes for all clients in one thread, one job after the other, so that the event loop stays free."""

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from promise_cli.serve.refusal import ClientGoneError, RefusalError

Result = TypeVar("Result")

MOST_WAITING = 64
"""Largest number of jobs that wait or are being computed."""
_LOOK_SECONDS = 0.25
"""Seconds between two checks whether the client of an unfinished job is still connected."""


class Worker:
    """One thread that computes. Scans, sessions and networks are used in this thread alone, so they need no locks."""

    def __init__(
        self, when_idle: Callable[[], None] = lambda: None, idle_seconds: float = 30.0
    ) -> None:
        """Start the thread. It calls `when_idle` whenever no job has come for `idle_seconds`."""
        self._when_idle, self._idle_seconds = when_idle, idle_seconds
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], _Reply]] = queue.SimpleQueue()
        self._waiting = 0
        self.is_busy = False
        """Whether a job is being computed."""
        self.thread = threading.Thread(target=self._work, name="worker", daemon=True)
        self.thread.start()

    @property
    def waiting(self) -> int:
        """Number of jobs that wait or are being computed."""
        return self._waiting

    async def run(
        self, job: Callable[[], Result], is_gone: Callable[[], Awaitable[bool]] | None = None
    ) -> Result:
        """Compute a job when its turn comes. The job's own errors are raised here.

        Args:
            job: Function without arguments.
            is_gone: Function that returns whether the client has gone. A job that has not begun by then is left out.

        Raises:
            RefusalError: Too many jobs wait already.
            ClientGoneError: The client has gone.
        """
        if self._waiting >= MOST_WAITING:
            raise RefusalError(503, f"{self._waiting} requests are waiting; try again later")
        reply = _Reply(asyncio.get_running_loop())
        self._waiting += 1
        self._jobs.put((job, reply))
        try:
            while True:
                await asyncio.wait({reply.future}, timeout=_LOOK_SECONDS)
                if reply.future.done():
                    found: Result = reply.future.result()
                    return found
                if is_gone is not None and await is_gone():
                    raise ClientGoneError
        finally:
            reply.is_wanted = False
            self._waiting -= 1

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no job is being computed, but at most for these seconds. Return whether that is so."""
        end = time.monotonic() + seconds
        while self.is_busy and time.monotonic() < end:
            time.sleep(0.01)
        return not self.is_busy

    def _work(self) -> None:
        while True:
            try:
                job, reply = self._jobs.get(timeout=self._idle_seconds)
            except queue.Empty:
                self._when_idle()
                continue
            if not reply.is_wanted:
                continue
            self.is_busy = True
            try:
                result = job()
            except BaseException as error:
                reply.give(None, error)
            else:
                reply.give(result, None)
                del result
            finally:
                self.is_busy = False
            del job, reply


class _Reply:
    """Answer to a job, which is handed from the worker's thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.future = loop, loop.create_future()
        self.is_wanted = True

    def give(self, result: Any, error: BaseException | None) -> None:
        """Hand over a result or an error. Nothing happens if the loop has ended or nobody waits any more."""

        def settle() -> None:
            if self.is_wanted and not self.future.done():
                if error is None:
                    self.future.set_result(result)
                else:
                    self.future.set_exception(error)

        try:
            self.loop.call_soon_threadsafe(settle)
        except RuntimeError:  # the loop is closed
            self.is_wanted = False
