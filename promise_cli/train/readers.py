"""Read samples in further processes with torch's DataLoader, without its use of shared memory.

A DataLoader passes tensors through shared memory (/dev/shm), which is small in containers: 64 MB in Docker. When it is
full, the reading processes die, or the training waits for ever. Arrays of numpy are passed through pipes instead.
"""

import queue
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Event, Pipe, Queue, active_children
from typing import Any

import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from promise_cli.disk.reasons import TOO_MANY_OPEN
from promise_cli.errors import CheckpointError
from promise_cli.train.samples import Sample, collate
from promise_cli.train.stopping import leave_signals_to_parent

LOOK_EVERY_S = 5.0
"""Seconds between two calls of `gives_up`, while no sample comes."""


class NoSampleError(RuntimeError):
    """No sample came, and the caller no longer wants to wait."""


class Readers:
    """Iterator over batches of samples, in the order of the batches. Call `end` when no more are needed."""

    def __init__(
        self,
        samples: Dataset[Sample],
        batches: Sequence[Sequence[int]],
        workers: int,
        device: torch.device,
        gives_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """Start the processes.

        Args:
            samples: The samples, by index.
            batches: Indices of the samples of each batch.
            workers: Number of processes. With 0, samples are read in this process when they are asked for.
            device: Device of the network. For a GPU, samples are put into page-locked memory.
            gives_up: Whether to stop waiting. It is asked while no sample comes.

        Raises:
            CheckpointError: There is not even enough shared memory for the locks of the processes.
            OSError: There are too many open files.
        """
        self._gives_up = gives_up
        workers = min(workers, len(batches))
        _check_resources(workers)
        before = active_children()
        with warnings.catch_warnings():
            # torch warns of more processes than cores, but the user has asked for them.
            warnings.filterwarnings("ignore", "This DataLoader will create")
            loader = DataLoader(
                _Excused(samples) if workers else samples,
                batch_sampler=[list(batch) for batch in batches],
                collate_fn=_pack if workers else collate,
                num_workers=workers,
                worker_init_fn=leave_signals_to_parent if workers else None,
                pin_memory=device.type == "cuda",
                timeout=LOOK_EVERY_S if workers else 0,
            )
            try:
                self._reading: Iterator[Any] = iter(loader)
            finally:  # if one process cannot be started, the ones before it are running already
                self._processes = [one for one in active_children() if one not in before]
                if not hasattr(self, "_reading"):
                    self._kill()

    def __iter__(self) -> Iterator[Sample]:
        """Return the iterator itself."""
        return self

    def __next__(self) -> Sample:
        """Return the next batch.

        Raises:
            NoSampleError: No sample came, and the caller gave up.
            RuntimeError: A process died. The message begins with "DataLoader worker".
            Exception: The reading of the samples raised it.
        """
        while True:
            try:
                with _interrupted(self._is_hopeless, bool(self._processes)):
                    found = next(self._reading)
            except (RuntimeError, queue.Empty) as error:
                if isinstance(error, RuntimeError) and "timed out" not in str(error):
                    raise
                if self._gives_up():
                    raise NoSampleError from None
                continue
            if isinstance(found, Exception):
                raise found
            return found.unpacked() if isinstance(found, _Packed) else found

    def _is_hopeless(self) -> bool:
        """Whether what is being received may never come to its end."""
        return self._gives_up() or not all(one.is_alive() for one in self._processes)

    def end(self) -> None:
        """End the processes. They hold nothing that could be lost."""
        # While a traceback refers to the iterator, nothing else would end its processes.
        getattr(self._reading, "_shutdown_workers", lambda: None)()
        self._kill()

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()  # a process that still reads ignores other signals
            process.join()


@contextmanager
def _interrupted(is_hopeless: Callable[[], bool], has_processes: bool) -> Iterator[None]:
    """Interrupt what waits for a sample as soon as it is hopeless, also in the middle of a sample.

    A process that is killed while it sends leaves a part of a sample in its pipe. A DataLoader would wait for the rest
    for ever, since its time limit holds only until a sample begins to arrive. After the interruption it looks for dead
    processes itself. Without signals, which only the main thread gets, nothing is interrupted.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not has_processes or not is_main or not hasattr(signal, "setitimer"):  # such as on Windows
        yield
        return

    def look(*_: object) -> None:
        if is_hopeless():
            raise queue.Empty

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, LOOK_EVERY_S, LOOK_EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _check_resources(workers: int) -> None:
    """Check that a DataLoader can get its locks, queues and pipes, by taking as many for a moment.

    A DataLoader that cannot get them prints a traceback of its own.

    Each process has a pipe and a queue with three locks. Together they have one more queue and an event. A lock takes
    4 kB of shared memory.

    Raises:
        CheckpointError: There is not enough shared memory for the locks.
        OSError: There are too many open files.
    """
    try:
        _ = [Event(), *((Queue(), Pipe()) for _ in range(workers + 1))] if workers else []
    except OSError as error:
        if error.errno in TOO_MANY_OPEN:
            raise
        raise CheckpointError(
            f"--workers {workers}: the processes that read samples need locks in shared memory ({error.strerror});"
            " use --workers 0, or enlarge /dev/shm (Docker: --shm-size=1g)"
        ) from None


@dataclass(frozen=True)
class _Packed:
    """A batch as arrays, which a DataLoader passes through a pipe."""

    arrays: tuple[NDArray[Any], ...]
    case_ids: tuple[str, ...]

    def unpacked(self) -> Sample:
        image, target, clicks, signs = map(torch.from_numpy, self.arrays)
        return Sample(image, target, clicks, signs, self.case_ids)

    def pin_memory(self) -> Sample:
        """Return the batch in page-locked memory. A DataLoader calls this method for a GPU."""
        return self.unpacked().pin_memory()


class _Excused(Dataset[Any]):
    """Samples that return an error in place of raising it. A DataLoader would put a traceback into its message."""

    def __init__(self, samples: Dataset[Sample]) -> None:
        self._samples = samples

    def __getitem__(self, index: int) -> Sample | Exception:
        try:
            return self._samples[index]
        except Exception as error:
            return error


def _pack(samples: list[Sample | Exception]) -> _Packed | Exception:
    """Stack samples into a batch of arrays, or return the first error among them."""
    whole = [sample for sample in samples if isinstance(sample, Sample)]
    errors = [error for error in samples if isinstance(error, Exception)]
    if errors:
        return errors[0]
    batch = collate(whole)
    return _Packed(tuple(tensor.numpy() for tensor in batch.tensors), batch.case_ids)
