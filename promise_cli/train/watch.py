"""Show how a training proceeds: a bar in a terminal, plain lines elsewhere, curves for TensorBoard if asked."""

import datetime
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from promise_cli.console import err, say
from promise_cli.errors import CheckpointError
from promise_cli.train.curves import EpochLog

TENSORBOARD = "tensorboard"
"""Folder of TensorBoard's files within the folder of a run."""
TAGS = {
    "loss/total": "loss",
    "loss/dice": "dice_loss",
    "loss/cross_entropy": "cross_entropy",
    "loss/boundary": "boundary",
    "validation/dice": "validation_dice",
    "validation/corrected_dice": "corrected_dice",
    "learning_rate": "learning_rate",
    "seconds": "seconds",
}
"""TensorBoard's name of each column of log.csv."""
PLAIN_LINE_EVERY_S = 300.0
"""Seconds between two lines within an epoch, where the output is not a terminal."""


class Watch:
    """Shows how far the training is, and its loss and Dice."""

    def __init__(
        self, num_epochs: int, steps_per_epoch: int, steps_done: int, num_clicks: int
    ) -> None:
        """Prepare the display, before the first step of a call.

        Args:
            num_epochs: Number of epochs of the whole run.
            steps_per_epoch: Number of optimizer steps in an epoch.
            steps_done: Number of steps done in earlier calls.
            num_clicks: Number of clicks on each validation patch; 0 for a network that takes none.
        """
        self.clicks = {0: "in windows around the target", 1: "with one click"}.get(
            num_clicks, f"with {num_clicks} clicks"
        )
        self.num_epochs, self.steps_per_epoch = num_epochs, steps_per_epoch
        self.first = self.done = steps_done
        self.started = self.last_line = time.monotonic()
        self.dice: float | None = None
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            console=err,
            disable=not err.is_terminal or err.quiet or not err.shows_bars,
            transient=True,
        )
        self.task: TaskID | None = None

    @contextmanager
    def epoch(self, epoch: int, steps_done: int) -> Iterator[None]:
        """Show a bar while the block takes the steps of an epoch.

        Args:
            epoch: Number of the epoch, counted from 1.
            steps_done: Number of steps of this epoch done in earlier calls.
        """
        with self.progress:
            self.task = self.progress.add_task(
                "",
                total=self.steps_per_epoch,
                completed=steps_done,
                epoch=f"{epoch}/{self.num_epochs}",
                figures="",
            )
            try:
                yield
            finally:
                self.progress.remove_task(self.task)

    def step(self, epoch: int, step: int, loss: float, memory_gib: float) -> None:
        """Show that a step is done.

        Args:
            epoch: Number of the epoch, counted from 1.
            step: Number of steps done in this epoch.
            loss: Mean loss of the epoch so far.
            memory_gib: Peak memory so far, in GiB.
        """
        self.done += 1
        dice = "" if self.dice is None else f", Dice {self.dice:.3f}"
        figures = f"loss {loss:.4f}{dice}, {memory_gib:.1f} GiB, {self.time_left()} left"
        if self.task is not None:
            self.progress.update(self.task, completed=step, figures=figures)
        now = time.monotonic()
        if self.progress.disable and now - self.last_line > PLAIN_LINE_EVERY_S:
            say(f"epoch {epoch}/{self.num_epochs}, step {step}/{self.steps_per_epoch}: {figures}")
            self.last_line = now

    def end_epoch(self, row: EpochLog) -> None:
        """Print a line about an epoch that is trained, validated and saved."""
        self.last_line = time.monotonic()
        shown = ""
        if row.validation_dice is not None:
            self.dice = row.validation_dice
            shown = f", validation Dice {row.validation_dice:.3f} {self.clicks}"
        if row.corrected_dice is not None:
            shown += f", {row.corrected_dice:.3f} corrected"
        left = "" if row.epoch == self.num_epochs else f", {self.time_left()} left"
        say(
            f"epoch {row.epoch}/{self.num_epochs}: loss {row.loss:.4f}{shown} ({row.seconds:.1f} s{left})"
        )

    def end_validation(self, names: Sequence[str], dice: Sequence[float]) -> None:
        """Print the mean validation Dice of each object of the plan."""
        pairs = zip(names, dice, strict=True)
        say(f"validation Dice by object: {', '.join(f'{name} {mean:.3f}' for name, mean in pairs)}")

    def time_left(self) -> str:
        """Return the time left in the whole run, estimated from the steps and validations of this call."""
        done = self.done - self.first
        left = self.num_epochs * self.steps_per_epoch - self.done
        seconds = (time.monotonic() - self.started) / max(1, done) * left
        return str(datetime.timedelta(seconds=round(seconds)))


class Board:
    """Event files for TensorBoard, if the user wants them."""

    def __init__(self, folder: Path, wanted: bool) -> None:
        """Open the files if they are wanted.

        Raises:
            CheckpointError: The tensorboard package is not installed.
        """
        self.writer: Any = None
        if not wanted:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  an optional dependency
        except ImportError:
            raise CheckpointError(
                "--tensorboard: needs the package tensorboard; pip install tensorboard"
            ) from None
        self.writer = SummaryWriter(str(folder / TENSORBOARD))

    def add(self, row: EpochLog) -> None:
        """Add the figures of one epoch."""
        if self.writer is None:
            return
        for name, column in TAGS.items():
            value = getattr(row, column)
            if value is not None:
                self.writer.add_scalar(name, value, row.epoch)
        self.writer.flush()

    def close(self) -> None:
        """Close the files."""
        if self.writer is not None:
            self.writer.close()
