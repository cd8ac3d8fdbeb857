"""Run jobs in several processes, as many as cores and free memory allow.

A process that dies loses only its own job.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from promise_cli.console import track, warn
from promise_cli.errors import format_bytes
from promise_cli.jobs.memory import free_memory, usable_cores
from promise_cli.jobs.signals import signals_held

T = TypeVar("T")
R = TypeVar("R")

_OUT_OF_MEMORY = 77
"""Exit status of a process in which Python raised a MemoryError."""
MEMORY_SHARE = 0.9
"""Share of the free memory that the estimated peaks of all running jobs may fill."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """A call of the function, with what the pool must know of it."""

    item: T
    """Argument of the call."""
    name: str
    """Name of the job's case, for messages."""
    peak: int
    """Estimate of the most memory that the job needs, in bytes."""


@dataclass(frozen=True)
class Death:
    """Result of a job whose process died or ran out of memory, even with no other job running."""

    name: str
    reason: str
    """Cause of the death, such as `SIGKILL`, `SIGSEGV`, `exit status 3` or `a lack of memory`."""
    peak: int
    """Estimate of the most memory that the job needs, in bytes."""

    def __str__(self) -> str:
        return (
            f"case {self.name}: the process that worked on it died of {self.reason}, even with no"
            f" other job running; it needs about {format_bytes(self.peak)} of memory and"
            f" {format_bytes(free_memory())} are free; use a machine with more memory, or leave the case"
            " out with --skip-bad"
        )


def run_jobs(
    function: Callable[[T], R], jobs: Sequence[Job[T]], workers: int | None, description: str
) -> list[R | Death]:
    """Call a function for each job, with a progress bar.

    Args:
        function: Called with the item of each job. It must be picklable unless `workers` is 0.
        jobs: Jobs, which start in this order. A job that does not fit into the free memory next to the running ones
            is overtaken by later jobs that do.
        workers: Number of processes. With 0 the jobs run in this process; with None there is one process per core.
        description: Text of the progress bar.

    Returns:
        The results in the order of the jobs; a `Death` for a job whose process died.

    Raises:
        Exception: The function raised it. It ends all jobs.
    """
    if workers == 0:
        return list(track((_call(function, job) for job in jobs), description, len(jobs)))
    results = dict(track(start_jobs(function, jobs, workers), description, len(jobs)))
    return [results[number] for number in range(len(jobs))]


def start_jobs(
    function: Callable[[T], R], jobs: Sequence[Job[T]], workers: int | None
) -> Iterator[tuple[int, R | Death]]:
    """Run jobs in processes, without a progress bar.

    The processes end when the iterator ends. They also end with this process, however it ends.

    Returns:
        An iterator over pairs of a job's number and its result, in the order in which jobs finish.
    """
    return _Pool(function, jobs, min(workers or usable_cores(), len(jobs))).run()


def _call(function: Callable[[T], R], job: Job[T]) -> R | Death:
    try:
        return function(job.item)
    except MemoryError:
        return Death(job.name, "a lack of memory", job.peak)


class _Worker:
    """A process of the pool, and the number of the job that it works on (None if it is idle)."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        if sys.platform != "win32":
            from multiprocessing.resource_tracker import ensure_running  # noqa: PLC0415  missing on Windows

            ensure_running()  # its own start, which comes with that of the first process, ends the block of signals
        # A terminal sends Ctrl-C to all processes, but only the command itself decides what to do. A SIGTERM in the
        # middle of the start would leave a process without its instructions.
        with signals_held(signal.SIGINT, signal.SIGTERM):
            self.process.start()
        theirs.close()  # or the connection would stay open when the process ends
        self.number: int | None = None

    def begin(self, number: int, item: Any) -> None:
        self.number = number
        with suppress(OSError):  # the process has died, which the next `recv` reports
            self.connection.send(item)

    def end(self) -> str:
        """Stop the process, and return how it ended: a signal, an exit status or a lack of memory."""
        self.connection.close()
        self.process.join(timeout=1)
        if self.process.exitcode is None:
            self.process.terminate()
            self.process.join(timeout=10)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        code = self.process.exitcode or 0
        if code == _OUT_OF_MEMORY:
            return "a lack of memory"
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"


class _Pool(Generic[T, R]):
    """Processes that work on jobs, and the memory that these jobs may fill together."""

    def __init__(self, function: Callable[[T], R], jobs: Sequence[Job[T]], most: int) -> None:
        self.function = function
        self.jobs = jobs
        self.most = most
        self.budget = MEMORY_SHARE * free_memory()
        self.workers: list[_Worker] = []

    def run(self) -> Iterator[tuple[int, R | Death]]:
        """Yield each job's number and result as jobs finish.

        A job whose process died is tried once more at the end, with no other job running.
        """
        waiting, died = list(range(len(self.jobs))), []
        try:
            while waiting or self._busy():
                self._assign(waiting)
                for number, result in self._results():
                    if isinstance(result, Death):
                        died.append(number)
                        warn(
                            f"case {result.name}: its process died of {result.reason}; it is tried again with no"
                            " other job running"
                        )
                    else:
                        yield number, result
            for number in died:
                self._end_workers()  # frees the memory that idle processes hold
                self._assign([number])
                yield from self._results()
        finally:
            self._end_workers()

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self.workers if worker.number is not None]

    def _assign(self, waiting: list[int]) -> None:
        """Start the waiting jobs that fit into the memory. If no job is running, start one however large it is."""
        while waiting and len(self._busy()) < self.most:
            peaks = [
                self.jobs[worker.number].peak
                for worker in self._busy()
                if worker.number is not None
            ]
            left = self.budget - sum(peaks)
            fits = (number for number in waiting if self.jobs[number].peak <= left)
            number = next(fits, None if peaks else waiting[0])
            if number is None:
                return
            waiting.remove(number)
            idle = [worker for worker in self.workers if worker.number is None]
            if not idle:
                idle = [_Worker(self.function)]
                self.workers += idle
            idle[0].begin(number, self.jobs[number].item)

    def _results(self) -> Iterator[tuple[int, R | Death]]:
        """Wait until at least one job has ended, and yield the number and result of each that has."""
        busy = {worker.connection: worker for worker in self._busy()}
        for connection in wait(list(busy)):
            worker = busy[connection]  # type: ignore[index]
            number = worker.number
            assert number is not None
            worker.number = None
            try:
                error, result = worker.connection.recv()
            except (EOFError, OSError):
                self.workers.remove(worker)
                yield number, Death(self.jobs[number].name, worker.end(), self.jobs[number].peak)
                continue
            if error is not None:
                error.add_note(f"while working on case {self.jobs[number].name}")
                raise error
            yield number, result

    def _end_workers(self) -> None:
        for worker in self.workers:
            if worker.number is not None:
                worker.process.terminate()
        while self.workers:
            self.workers.pop().end()


def _serve(connection: "Connection[Any, Any]", function: Callable[[Any], Any]) -> None:
    """Work on the jobs that come through the connection, until its other end closes."""
    leave_on_sigterm()
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = (
        "1"  # there may be a process per core already
    )
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            item = connection.recv()
            answer: tuple[Exception | None, Any]
            try:
                answer = (None, function(item))
            except MemoryError:
                os._exit(_OUT_OF_MEMORY)
            except Exception as error:
                answer = (error, None)
            connection.send(answer)


def leave_on_sigterm() -> None:
    """Make SIGTERM end this process cleanly, and leave SIGINT to the parent.

    SIGTERM raises SystemExit, so that unfinished files are removed. Python drops an exception that is raised inside
    `__del__` and prints a traceback. SystemExit is then raised again a moment later, without the traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])  # it was held during the start
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.signal(signal.SIGALRM, _leave)
        sys.unraisablehook = _leave_again


def _leave(*_: object) -> None:
    # The whole group may get one SIGTERM and then each process another. That must not end the removal of files.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(143)


def _leave_again(dropped: "sys.UnraisableHookArgs") -> None:
    if isinstance(dropped.exc_value, SystemExit):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(dropped)
