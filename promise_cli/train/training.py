"""A running training: what its steps need, and how it ends early."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from promise_cli.console import counted
from promise_cli.errors import DatasetError, StoppedError, listed
from promise_cli.network.registry import takes_clicks
from promise_cli.train.group import Group
from promise_cli.train.run import Run
from promise_cli.train.samples import TrainingSamples, ValidationSamples
from promise_cli.train.schedule import num_steps
from promise_cli.train.stopping import StopRequest
from promise_cli.train.watch import Board, Watch


@dataclass(eq=False, kw_only=True)
class Training:
    """A run that is being trained, and what its steps need."""

    run: Run
    network: nn.Module
    """The run's model within `Answering`. With several processes it also averages the gradients over them."""
    samples: TrainingSamples
    fixed: ValidationSamples
    """Fixed patches for validation."""
    group: Group
    workers: int
    """Number of processes that read samples."""
    stop: StopRequest
    board: Board
    on_epoch: Callable[[], None] = lambda: None
    """Function that is called when an epoch is saved."""
    steps: int = 0
    """Number of steps that are done in this call."""
    seconds: float = 0.0
    """Time of these steps."""
    waiting_seconds: float = 0.0
    """Part of that time that was spent waiting for samples."""
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        run = self.run
        per_epoch = num_steps(len(self.samples), run.samples_per_step)
        done = run.epoch * per_epoch + run.step
        clicks = run.config.validation_clicks if takes_clicks(run.model.config) else 0
        self.watch = Watch(run.config.epochs, per_epoch, done, clicks)


def stop_if_asked(training: Training) -> None:
    """Save the run and stop between two steps, if a stop was asked for. All processes stop after the same step.

    Raises:
        StoppedError: One of the processes was asked to stop.
    """
    run, group = training.run, training.group
    reason = training.stop.reason
    if not group.sum(torch.tensor([float(reason is not None)])).item():
        return
    reason = next(filter(None, group.gather(reason)))
    worth = run.epoch + run.step > 0 or not run.replaces
    if group.is_first and worth:
        run.save_step()
    group.wait()  # a process that ends now would end the others, which may still write
    saved = (
        "the run is saved, continue with --resume"
        if worth
        else "nothing was trained, the earlier run is kept"
    )
    raise StoppedError(
        f"{run.folder}: stopped by {reason} in epoch {run.epoch + 1} after {run.step} of"
        f" {counted(training.watch.steps_per_epoch, 'step')}; {saved}"
    )


def not_finite(training: Training, what: str, case_ids: list[str]) -> DatasetError:
    """Return an error that names step and cases, the same in all processes. All of them must call this together."""
    run = training.run
    cases = listed(case for cases in training.group.gather(case_ids) for case in cases)
    kept = (
        f"the checkpoint of epoch {run.epoch} is kept" if run.is_saved else "nothing is saved yet"
    )
    return DatasetError(
        f"{run.folder}: {what} in epoch {run.epoch + 1}, step {run.step + 1}, case {cases}; {kept}; check the"
        " intensities of these cases, or start anew with a lower --lr or with --precision fp32"
    )
