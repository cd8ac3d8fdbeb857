"""Record in run.json how a call ended, and explain in one line what a user can fix."""

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

from promise_cli.console import warn
from promise_cli.errors import CheckpointError, PromiseError, StoppedError
from promise_cli.network.promise import ModelConfig
from promise_cli.network.registry import count_operations
from promise_cli.train.provenance import (
    begin_call,
    end_call,
    load_calls,
    peak_memory_gib,
    save_calls,
)
from promise_cli.train.run import Run
from promise_cli.train.training import Training

LEAST_GAIN = 0.005
"""A network responds to its clicks if corrections raise its Dice by at least this. The measured gains were
0.056 to 0.123."""
NEARLY_RIGHT = 0.95
"""Dice above which there is little left to correct."""
_NO_MEMORY = re.compile("out of memory|not enough memory|can't allocate|alloc_cpu", re.IGNORECASE)
"""Words in torch's out-of-memory errors. Only the one of CUDA has a class of its own."""


@contextmanager
def recorded(training: Training) -> Iterator[None]:
    """Keep run.json up to date while the block trains: after each epoch, and at the end with the outcome.

    Raises:
        CheckpointError: torch failed in a way that a user can fix. Other errors are passed on.
    """
    run, group = training.run, training.group
    earlier = () if run.epoch + run.step == 0 else load_calls(run.folder)
    call = begin_call(
        run.device,
        processes=group.size,
        precision=run.precision,
        seed=run.seed,
        model=run.model,
        network=run.network,
        preset=run.preset,
        operations_per_patch=count_operations(run.network, run.model.config)
        if group.is_first
        else None,
        first_epoch=run.epoch + 1,
        started_from=run.started_from,
    )

    def record(outcome: str = "running") -> None:
        if not group.is_first:
            return
        current = dataclasses.replace(
            call,
            last_epoch=run.epoch,
            steps=training.steps,
            seconds_per_step=training.seconds / training.steps if training.steps else None,
            waiting_share=training.waiting_seconds / max(training.seconds, 1e-9),
            peak_memory_gib=peak_memory_gib(run.device),
        )
        if outcome != "running":
            current = end_call(current, outcome)
        save_calls((*earlier, current), run.folder)

    training.on_epoch = record
    try:
        yield
    except BaseException as error:
        shown = error if isinstance(error, PromiseError) else _explained(error, run)
        if run.is_saved:
            with suppress(OSError):  # a full disk is reported once
                record(
                    "stopped" if isinstance(error, StoppedError) else f"failed: {shown or error!r}"
                )
        if shown is None or shown is error:
            raise
        raise shown from None
    record("finished")


@contextmanager
def explained(run: Run) -> Iterator[None]:
    """Turn errors of torch that a user can fix into one line.

    Raises:
        CheckpointError: Memory ran out, or a reading process died.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        shown = _explained(error, run)
        if shown is None:
            raise
        raise shown from None


def saved_so_far(run: Run) -> str:
    """Say what is saved and how to continue, for a call that a second Ctrl-C interrupts."""
    if run.is_saved:
        return "the last checkpoint is kept; continue with --resume"
    kept = "the earlier run is kept" if run.replaces else "nothing is saved yet"
    return f"{kept}; run the same command again to start"


def warn_of_unused_clicks(run: Run) -> None:
    """Warn if corrections hardly raised the Dice in the last validation, although the recipe trains with them."""
    if not run.log:
        return
    row = run.log[-1]
    if row.validation_dice is None or row.corrected_dice is None:
        return
    if row.corrected_dice - row.validation_dice >= LEAST_GAIN or row.validation_dice > NEARLY_RIGHT:
        return
    config = run.model.config
    maps = ""
    if isinstance(config, ModelConfig) and not config.click_map_in_head:
        first = "" if config.click_map else "--set click_map=true "
        maps = f", or start anew with {first}--set click_map_in_head=true"
    warn(
        f"{run.folder}: validation Dice {row.validation_dice:.3f}, after {run.config.corrections} corrections"
        f" {row.corrected_dice:.3f}: the network does not respond to its clicks yet; train longer (--resume with more"
        f" --epochs){maps}"
    )


def _explained(error: BaseException, run: Run) -> CheckpointError | None:
    """Return an error that says what a user can do about a failure of torch; None for any other error."""
    text = " ".join(str(error).split())
    again = "continue with --resume and" if run.is_saved else "start again with"
    if "DataLoader worker" in text:
        return CheckpointError(
            f"{run.folder}: a process that reads samples died, perhaps because memory ran out; {again} fewer --workers"
        )
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or _NO_MEMORY.search(text):
        samples = "one sample" if run.config.batch_size == 1 else f"{run.config.batch_size} samples"
        return CheckpointError(
            f"{run.folder}: {run.device} does not have enough memory for {samples} of {run.plan.patch_size}^3 at once;"
            f" {_ways_to_save_memory(run)}"
        )
    return None


def _ways_to_save_memory(run: Run) -> str:
    """Say how to call the command again so that it needs less memory, with options that the run does not use yet.

    A run with a checkpoint can continue with some of them; the others change the network or its numbers, so they
    need a new run.
    """
    config, continued, anew = run.config, [], ["a smaller --set patch_size=N"]
    if config.batch_size > 1:
        continued.append("a smaller --batch-size (--accumulate makes up for it)")
    if not config.checkpoint_activations:
        continued.append("--checkpoint-activations")
    if config.precision == "fp32":
        anew.insert(0, "--precision bf16")
    overwrite = f"start anew with --overwrite and {' or '.join(anew)}"
    if not continued:
        return overwrite
    again = "continue with --resume and" if run.is_saved else "start again with"
    return f"{again} {' or '.join(continued)}, or {overwrite}"
