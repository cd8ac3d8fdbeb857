"""The processes that share a training, one a device: started by torchrun or by `--devices`.

Every process holds the whole network; each computes its samples of a step, and the gradients are averaged.
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

from promise_cli.console import mute
from promise_cli.errors import CheckpointError, PromiseError, StoppedError
from promise_cli.network.promise import NEVER_CALLED

PATIENCE = datetime.timedelta(hours=1)
"""How long processes wait for each other, such as for the first one to fetch large weights; NCCL gives up sooner."""

_VARIABLES = ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT")
"""Variables through which torchrun informs a process of the others."""


@dataclass(frozen=True)
class Group:
    """This process among the others."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Among the processes of this machine."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes of a few numbers on the CPU."""
        if self.size == 1:
            return values
        on_gpu = dist.get_backend() == "nccl"
        sums = values.cuda() if on_gpu else values.clone()
        dist.all_reduce(sums)
        return sums.cpu()

    def gather(self, value: Any) -> list[Any]:
        """What every process has, by rank."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def share_gradients(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The network whose backward pass averages gradients over the processes."""
        if self.size == 1:
            return model
        # Of the global queries, whose gradient is a view; they are too small to matter.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        return DistributedDataParallel(
            model,
            device_ids=[device] if device.type == "cuda" else None,
            # A layer that is kept for its count alone gets no gradient.
            find_unused_parameters=any(
                NEVER_CALLED in name for name, _ in model.named_parameters()
            ),
        )


@contextmanager
def join_group(device: str) -> Iterator[tuple[Group, str]]:
    """Meet the other processes where torchrun or `launch` started several.

    Args:
        device: Requested device; with several GPUs each process takes the one with its own number.

    Yields:
        This process's place, and its device.

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
                f"--device {device}: {torch.cuda.device_count()} GPUs for more processes than that; start fewer"
            )
        device = f"cuda:{group.local_rank}"
        torch.cuda.set_device(group.local_rank)
    if not group.is_first:
        mute()
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        yield group, device
    finally:
        gc.collect()  # a network that shares gradients holds the group's threads, which must not outlive it
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
    """The group of processes that the environment describes, and this one's place in it.

    Raises:
        CheckpointError: It describes several processes, but not everything that they need to meet.
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
            f"the environment says {found}, which is not all of {', '.join(_VARIABLES)}; start several processes"
            " through torchrun or --devices, or unset WORLD_SIZE"
        )
    return Group(numbers[0], numbers[1], local_rank)


def launch(size: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function in several processes on this machine that form a group; returns what the first one returns.

    Raises:
        PromiseError: What the first process to fail raised, or that one died.
        KeyboardInterrupt: A second Ctrl-C.
    """
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    place = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    processes = start_processes(  # type: ignore[no-untyped-call]
        _enter, (place, results, function, arguments), nprocs=size, join=False, start_method="spawn"
    )
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
    with _passing_signals_on(processes.pids()):
        try:
            while not processes.join():
                pass
        except ProcessExitedException as error:
            if results.empty():
                raise CheckpointError(
                    f"a training process died ({error}); if there is a checkpoint_last.pt, go on with --resume"
                ) from None
    if results.empty():
        raise CheckpointError("the training processes ended without a word; go on with --resume")
    result = results.get()
    if isinstance(result, BaseException):
        raise result
    return result


def _enter(rank: int, place: dict[str, str], results: Any, function: Any, arguments: Any) -> None:
    """What a started process does."""
    os.setsid()  # Ctrl-C comes by way of the parent, so that it counts once
    os.environ.update(place, RANK=str(rank), LOCAL_RANK=str(rank))
    if not torch.cuda.is_available():
        torch.set_num_threads(max(1, torch.get_num_threads() // int(place["WORLD_SIZE"])))
    try:
        result = function(*arguments)
    except StoppedError as error:  # as all do; none may be ended while another still writes
        result = error
    except (PromiseError, OSError, KeyboardInterrupt) as error:
        results.put(error)
        raise SystemExit(1) from None
    if rank == 0:
        results.put(result)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(
        0
    )  # at once: a library that fails as Python takes itself down would count as a failed training


@contextmanager
def _passing_signals_on(pids: list[int]) -> Iterator[None]:
    """SIGTERM and Ctrl-C go on to the processes, each as often as it comes."""

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
