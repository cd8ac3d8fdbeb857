"""Jobs in processes: as many as cores and free memory allow, and a process that dies takes only its own job along."""

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
from promise_cli.jobs.memory import format_bytes, free_memory, usable_cores
from promise_cli.jobs.signals import signals_held

T = TypeVar("T")
R = TypeVar("R")

_OUT_OF_MEMORY = 77
"""Exit status of a process that Python itself denied memory."""
MEMORY_SHARE = 0.9
"""Share of the free memory that the estimated peaks of all running jobs may fill."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """One call of the function."""

    item: T
    name: str
    """Name of the job's case, for messages."""
    peak: int
    """Bytes that it needs at most, as far as can be known before."""


@dataclass(frozen=True)
class Death:
    """What became of a job whose process died, also when it was alone."""

    name: str
    reason: str
    """`SIGKILL`, `SIGSEGV`, `exit status 3` or `a lack of memory`."""
    peak: int

    def __str__(self) -> str:
        return (
            f"case {self.name}: the process that worked on it died of {self.reason}, also alone; it needs about"
            f" {format_bytes(self.peak)} of memory and {format_bytes(free_memory())} are free; work where there is"
            " more, or leave the case out with --skip-bad"
        )


def run_jobs(
    function: Callable[[T], R], jobs: Sequence[Job[T]], workers: int | None, description: str
) -> list[R | Death]:
    """Call a function for each job, with a progress bar.

    Args:
        function: Must be picklable unless `workers` is 0.
        jobs: Started in order, except where one does not fit into the free memory next to the running ones.
        workers: Processes; 0 works in this one; None: one a core.
        description: Text of the progress bar.

    Returns:
        The results in the jobs' order.

    Raises:
        Exception: What the function raised, which ends all jobs.
    """
    if workers == 0:
        return list(track((_call(function, job) for job in jobs), description, len(jobs)))
    results = dict(track(start_jobs(function, jobs, workers), description, len(jobs)))
    return [results[number] for number in range(len(jobs))]


def start_jobs(
    function: Callable[[T], R], jobs: Sequence[Job[T]], workers: int | None
) -> Iterator[tuple[int, R | Death]]:
    """Run jobs in processes without a progress bar; results come as they finish, each with its job's number.

    The processes end with the iterator, and with this process, however that ends.
    """
    return _Pool(function, jobs, min(workers or usable_cores(), len(jobs))).run()


def _call(function: Callable[[T], R], job: Job[T]) -> R | Death:
    try:
        return function(job.item)
    except MemoryError:
        return Death(job.name, "a lack of memory", job.peak)


class _Worker:
    """One process, and what it works on."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        with signals_held(signal.SIGINT):  # a terminal sends it to all; the command itself decides
            self.process.start()
        theirs.close()  # so that the connection ends with the process
        self.number: int | None = None

    def begin(self, number: int, item: Any) -> None:
        self.number = number
        with suppress(OSError):  # it has died meanwhile: the next `recv` says so
            self.connection.send(item)

    def end(self) -> str:
        """Stop the process; says how it ended where it did so by itself."""
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
    def __init__(self, function: Callable[[T], R], jobs: Sequence[Job[T]], most: int) -> None:
        self.function = function
        self.jobs = jobs
        self.most = most
        self.budget = MEMORY_SHARE * free_memory()
        self.workers: list[_Worker] = []

    def run(self) -> Iterator[tuple[int, R | Death]]:
        """Results as they come, each with its job's number."""
        waiting, died = list(range(len(self.jobs))), []
        try:
            while waiting or self._busy():
                self._assign(waiting)
                for number, result in self._results():
                    if isinstance(result, Death):
                        died.append(number)
                        warn(
                            f"case {result.name}: its process died of {result.reason}; tried again alone"
                        )
                    else:
                        yield number, result
            for number in died:
                self._end_workers()  # what they hold of the memory is needed now
                self._assign([number])
                yield from self._results()
        finally:
            self._end_workers()

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self.workers if worker.number is not None]

    def _assign(self, waiting: list[int]) -> None:
        """Begin those of the waiting jobs that fit; one is always at work, however large."""
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
        """Wait until at least one job ended."""
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
    """What a process does until the other end of the connection closes."""
    leave_on_sigterm()
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"  # as many processes as cores already
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
    """Let SIGTERM end this process in good order, and leave SIGINT to the parent.

    The signal raises SystemExit, so that files in the making are removed. Python drops an exception that is raised
    inside `__del__`, with a traceback on the screen; then it is raised again a moment later.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    if hasattr(signal, "setitimer"):  # Windows has none
        signal.signal(signal.SIGALRM, _leave)
        sys.unraisablehook = _leave_again


def _leave(*_: object) -> None:
    raise SystemExit(143)


def _leave_again(dropped: "sys.UnraisableHookArgs") -> None:
    if isinstance(dropped.exc_value, SystemExit):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(dropped)
