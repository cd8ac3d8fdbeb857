"""Read samples in further processes, and receive them through sockets.

torch's DataLoader passes samples through shared memory (/dev/shm), which is small in containers: 64 MB in Docker. When
it is full, a DataLoader waits for ever, or its processes die. Sockets have no such limit, and for a patch of 128^3 they
took less than half the time (`docs/benchmarks.md`).
"""

import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from promise_cli.train.samples import Sample, collate
from promise_cli.train.stopping import leave_signals_to_parent

AHEAD = 2
"""Number of batches that are received ahead. Each process holds one more."""
LOOK_EVERY_S = 0.5
"""Seconds between two looks at whether to give up, while no sample comes."""

Batches = Sequence[Sequence[int]]


class ReaderDiedError(RuntimeError):
    """A process that reads samples died; the message is the signal or the exit status."""


class NoSampleError(RuntimeError):
    """No sample came, and the caller no longer wants to wait."""


class Readers:
    """Iterator over batches of samples, which further processes read in turn. The order is that of the batches."""

    def __init__(
        self,
        samples: Dataset[Sample],
        batches: Batches,
        workers: int,
        device: torch.device,
        gives_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """Start the processes, and a thread that receives what they send.

        Args:
            samples: The samples, by index.
            batches: Indices of the samples of each batch.
            workers: Number of processes. With 0, samples are read in this process when they are asked for.
            device: Device of the network. For a GPU, samples are put into page-locked memory.
            gives_up: Whether to stop waiting. It is asked while no sample comes.
        """
        self._samples, self._batches, self._device = samples, batches, device
        self._gives_up = gives_up
        self._given = 0
        self._ended = threading.Event()
        self._received: queue.Queue[Sample | BaseException] = queue.Queue(AHEAD)
        self._connections: list[Connection[Any, Any]] = []
        self._processes: list[Any] = []
        self._thread = threading.Thread(target=self._fill, daemon=True)
        context = get_context()
        try:
            for number in range(min(workers, len(batches))):
                ours, theirs = context.Pipe()
                self._connections.append(ours)
                arguments = (theirs, [*self._connections], samples, batches[number::workers])
                process = context.Process(target=_serve, args=arguments, daemon=True)
                process.start()
                self._processes.append(process)
                theirs.close()  # or the connection would stay open when the process ends
        except BaseException:
            self.end()
            raise
        if self._processes:
            self._thread.start()

    def __iter__(self) -> Iterator[Sample]:
        """Return the iterator itself."""
        return self

    def __next__(self) -> Sample:
        """Return the next batch.

        Raises:
            ReaderDiedError: The process that read it died.
            NoSampleError: No sample came, and the caller gave up.
            Exception: The reading of the samples raised it.
        """
        if self._given == len(self._batches):
            raise StopIteration
        if not self._processes:
            found: Sample | BaseException = self._read_here(self._batches[self._given])
        else:
            found = self._wait()
        if isinstance(found, BaseException):
            raise found
        self._given += 1
        return found

    def end(self) -> None:
        """End the processes and the thread. They hold nothing that could be lost."""
        self._ended.set()
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()
        if self._thread.is_alive():
            self._thread.join()
        for connection in self._connections:
            connection.close()

    def _read_here(self, indices: Sequence[int]) -> Sample:
        sample = collate([self._samples[index] for index in indices])
        return sample.pin_memory() if self._device.type == "cuda" else sample

    def _wait(self) -> Sample | BaseException:
        while True:
            with suppress(queue.Empty):
                return self._received.get(timeout=LOOK_EVERY_S)
            if self._gives_up():
                raise NoSampleError

    def _fill(self) -> None:
        """Receive all batches in their order. An error is passed on in place of a batch, and is the last thing."""
        found: Sample | BaseException
        for number in range(len(self._batches)):
            try:
                if self._device.type == "cuda":
                    torch.cuda.set_device(self._device)  # holds for this thread only
                found = self._receive(number % len(self._processes))
            except Exception as error:
                found = error
            while not self._ended.is_set():
                with suppress(queue.Full):
                    self._received.put(found, timeout=LOOK_EVERY_S)
                    break
            if self._ended.is_set() or isinstance(found, BaseException):
                return

    def _receive(self, number: int) -> Sample:
        """Receive a batch from a process, into page-locked memory if the device is a GPU."""
        connection = self._connections[number]
        tensors = []
        try:
            message = connection.recv()
            if not isinstance(message, Exception):
                tensors = [torch.empty(shape, dtype=dtype) for shape, dtype in message[1]]
            for tensor in tensors:
                connection.recv_bytes_into(_bytes_of(tensor))
        except (EOFError, OSError):
            raise ReaderDiedError(_cause(self._processes[number])) from None
        if isinstance(message, Exception):
            raise message
        image, target, clicks, signs = tensors
        sample = Sample(image, target, clicks, signs, message[0])
        return sample.pin_memory() if self._device.type == "cuda" else sample


def _serve(
    connection: "Connection[Any, Any]",
    inherited: "Sequence[Connection[Any, Any]]",
    samples: Dataset[Sample],
    batches: Batches,
) -> None:
    """Read batches and send them, until all are sent or the other end closes.

    Args:
        connection: Connection to the training's own process.
        inherited: Ends of connections that belong to that process. They are closed here, since this process would
            otherwise not notice the end of that one.
        samples: The samples, by index.
        batches: Indices of the samples of each batch.
    """
    leave_signals_to_parent()
    for other in inherited:
        other.close()
    torch.set_num_threads(1)
    with suppress(BrokenPipeError, ConnectionResetError):
        for indices in batches:
            try:
                sample = collate([samples[index] for index in indices])
            except Exception as error:
                connection.send(error)
                return
            kinds = [(tuple(tensor.shape), tensor.dtype) for tensor in sample.tensors]
            connection.send((sample.case_ids, kinds))
            for tensor in sample.tensors:
                connection.send_bytes(_bytes_of(tensor))


def _bytes_of(tensor: Tensor) -> Any:
    """Return the memory of a contiguous tensor as an array of bytes, which is not a copy."""
    return tensor.reshape(-1).view(torch.uint8).numpy()


def _cause(process: Any) -> str:
    """Return the signal that ended a process, or its exit status."""
    process.join(timeout=5)
    code = process.exitcode or 0
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
