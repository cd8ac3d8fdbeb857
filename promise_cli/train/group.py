"""The processes that share a training, one per device. They are started by torchrun or by `--devices`.

Every process holds the whole network and computes some samples of each step. The gradients are averaged over processes.
"""

import datetime
import gc
import logging
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, multiprocessing, nn
from torch.multiprocessing.spawn import ProcessExitedException, start_processes
from torch.nn.parallel import DistributedDataParallel

from promise_cli.console import err, mute, quieted
from promise_cli.errors import CheckpointError, PromiseError, StoppedError
from promise_cli.network.promise import NEVER_CALLED

PATIENCE = datetime.timedelta(hours=1)
"""Longest time that processes wait for each other, for example while the first one downloads large weights.

The default of NCCL is shorter.
"""

_VARIABLES = ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables by which torchrun informs a process about the others."""


@dataclass(frozen=True)
class Group:
    """The place of this process among those that share the training."""

    rank: int = 0
    """Number of this process, counted from 0."""
    size: int = 1
    """Number of processes."""
    local_rank: int = 0
    """Number of this process among those of this machine, counted from 0."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and messages for all."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes of a few numbers on the CPU."""
        if self.size == 1:
            return values
        on_gpu = dist.get_backend() == "nccl"
        sums = values.cuda() if on_gpu else values.clone()
        dist.all_reduce(sums)
        return sums.cpu()

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, ordered by rank."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.size > 1:
            dist.barrier()

    def share_gradients(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Wrap a network so that its backward pass averages the gradients over the processes, if there are several."""
        if self.size == 1:
            return model
        # The gradient of the global queries is a view. They are too small for this to cost time.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        return DistributedDataParallel(
            model,
            device_ids=[device] if device.type == "cuda" else None,
            # Layers that exist only for the published number of parameters never get a gradient.
            find_unused_parameters=any(
                NEVER_CALLED in name for name, _ in model.named_parameters()
            ),
        )


@contextmanager
def join_group(device: str) -> Iterator[tuple[Group, str]]:
    """Connect to the other processes, if torchrun or `launch` started several.

    Args:
        device: Requested device. With several GPUs each process uses the GPU of its own `local_rank`.

    Yields:
        The place of this process, and its device.

    Raises:
        CheckpointError: There are more processes than GPUs, or the device names one GPU for all of them.
    """
    group = _place()
    if group.size == 1:
        yield group, device
        return
    refuse_one_gpu_for_all(device)
    on_gpu = torch.cuda.is_available() and device in ("auto", "cuda")
    if on_gpu:
        if group.local_rank >= torch.cuda.device_count():
            raise CheckpointError(
                f"--device {device}: {torch.cuda.device_count()} GPUs are too few for so many processes; start fewer"
            )
        device = f"cuda:{group.local_rank}"
        torch.cuda.set_device(group.local_rank)
    if not group.is_first:
        mute()
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        yield group, device
    finally:
        # A network that shares gradients holds threads of the group, which must end before the group does.
        gc.collect()
        dist.destroy_process_group()


def refuse_one_gpu_for_all(device: str) -> None:
    """Refuse a device such as `cuda:0` for several processes.

    Raises:
        CheckpointError: The device has a number.
    """
    if ":" in device:
        raise CheckpointError(
            f"--device {device}: names one GPU, but several processes need one each; use --device cuda, and choose GPUs"
            " with the environment variable CUDA_VISIBLE_DEVICES"
        )


def _place() -> Group:
    """Return the place of this process, as the environment variables describe it.

    Raises:
        CheckpointError: They describe several processes, but some that are needed to connect them are missing.
    """
    given = {name: os.environ.get(name) for name in _VARIABLES}
    if given["WORLD_SIZE"] in (None, "1"):
        return Group()
    try:
        numbers = [int(given[name] or "") for name in ("RANK", "WORLD_SIZE", "MASTER_PORT")]
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    except ValueError:
        numbers = []
    if not numbers or not given["MASTER_ADDR"]:
        found = ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)
        raise CheckpointError(
            f"the environment says {found}, but all of {', '.join(_VARIABLES)} are needed; start several processes"
            " through torchrun or --devices, or unset WORLD_SIZE"
        )
    return Group(numbers[0], numbers[1], local_rank)


def launch(size: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function in several processes of this machine that form a group.

    Args:
        size: Number of processes.
        function: Called in each process. It must be picklable, and so must its arguments and its result.
        *arguments: Arguments of the function.

    Returns:
        The result of the first process.

    Raises:
        PromiseError: Raised by the process that failed first, or because a process died.
        KeyboardInterrupt: The user pressed Ctrl-C a second time.
    """
    context = multiprocessing.get_context("spawn")
    try:
        results = context.SimpleQueue()
    except OSError as error:
        raise CheckpointError(
            f"--devices {size}: the processes need locks in shared memory ({error.strerror}); enlarge /dev/shm (Docker:"
            " --shm-size=1g), or leave --devices out"
        ) from None
    place = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    processes = start_processes(  # type: ignore[no-untyped-call]
        _enter,
        (place, results, function, arguments, not err.shows_bars),
        nprocs=size,
        join=False,
        start_method="spawn",
    )
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    with _passing_signals_on(processes.pids()):
        try:
            while not processes.join():
                pass
        except ProcessExitedException as error:
            if results.empty():
                raise CheckpointError(
                    f"a training process died ({error}); if there is a checkpoint_last.pt, continue with --resume"
                ) from None
    if results.empty():
        raise CheckpointError(
            "the training processes ended without a result; continue with --resume"
        )
    result = results.get()
    if isinstance(result, BaseException):
        raise result
    return result


def _enter(
    rank: int, place: dict[str, str], results: Any, function: Any, arguments: Any, quiet: bool
) -> None:
    """Run the function in a started process, and send its result or its error to the parent."""
    os.setsid()  # the terminal's Ctrl-C then reaches only the parent, which passes it on once
    os.environ.update(place, RANK=str(rank), LOCAL_RANK=str(rank))
    if not torch.cuda.is_available():
        torch.set_num_threads(max(1, torch.get_num_threads() // int(place["WORLD_SIZE"])))
    try:
        with quieted(quiet):
            result = function(*arguments)
    except StoppedError as error:
        # All processes stop together. An exit status other than 0 would end those that still write.
        result = error
    except (PromiseError, OSError, KeyboardInterrupt) as error:
        results.put(error)
        raise SystemExit(1) from None
    if rank == 0:
        results.put(result)
    sys.stdout.flush()
    sys.stderr.flush()
    # Skip Python's own shutdown: a library that fails in it would make the training count as failed.
    os._exit(0)


@contextmanager
def _passing_signals_on(pids: list[int]) -> Iterator[None]:
    """Pass SIGTERM and Ctrl-C on to the processes, as often as they come."""

    def pass_on(number: int, _: Any) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
