"""The epochs and steps of a training, on one device or several."""

import time
from collections.abc import Iterator, Sequence

from promise_cli.train.curves import EpochLog
from promise_cli.train.prefetch import prefetch
from promise_cli.train.provenance import peak_memory_gib
from promise_cli.train.readers import NoSampleError, Readers
from promise_cli.train.schedule import Batch, schedule
from promise_cli.train.step import take_step, validate
from promise_cli.train.training import Training, stop_if_asked


def train_epochs(training: Training) -> None:
    """Train all epochs that are left, and save the run after each.

    Raises:
        DatasetError: The loss or its gradient is not finite.
        StoppedError: A signal came, or the time limit is reached. The run is saved at the step that was reached.
    """
    run, group = training.run, training.group
    while not run.is_finished:
        rate = run.config.learning_rate_at(run.epoch)
        for parameters in run.optimizer.param_groups:
            parameters["lr"] = rate
        with training.watch.epoch(run.epoch + 1, run.step):
            _train_epoch(training)
        started = time.monotonic()
        means = {name: value / training.watch.steps_per_epoch for name, value in run.sums.items()}
        due = (run.epoch + 1) % run.config.validate_every == 0 or run.epoch + 1 == run.config.epochs
        found = validate(training) if due and len(training.fixed) else None
        run.epoch, run.step, run.sums = run.epoch + 1, 0, {}
        seconds = means["seconds"] * training.watch.steps_per_epoch + time.monotonic() - started
        row = EpochLog(
            epoch=run.epoch,
            learning_rate=rate,
            loss=means["loss"],
            dice_loss=means["dice"],
            cross_entropy=means["cross_entropy"],
            boundary=means["boundary"],
            validation_dice=None if found is None else found.dice,
            corrected_dice=None if found is None else found.corrected_dice,
            seconds=round(seconds, 3),
        )
        run.log.append(row)
        if group.is_first:
            run.save_epoch(row.validation_dice)
            training.board.add(row)
            training.on_epoch()
        training.watch.end_epoch(row)


def _train_epoch(training: Training) -> None:
    """Take the steps of the epoch that are left, and add their losses to the run's sums."""
    run, group = training.run, training.group
    batches = schedule(
        training.samples.order(run.epoch),
        batch_size=run.config.batch_size,
        samples_per_step=run.samples_per_step,
        first_step=run.step,
        rank=group.rank,
        size=group.size,
    )
    readers = Readers(
        training.samples,
        [batch.indices for batch in batches],
        training.workers,
        run.device,
        gives_up=lambda: group.size == 1 and training.stop.is_overdue,
    )
    run.model.train()
    samples = prefetch(readers, run.device)
    try:
        for step in _by_step(batches):
            stop_if_asked(training)
            started = time.monotonic()
            try:
                losses = take_step(training, step, samples)
            except NoSampleError:
                # The weights have not changed yet, so the step is taken again later.
                stop_if_asked(training)
                raise
            seconds = time.monotonic() - started
            training.steps, training.seconds = training.steps + 1, training.seconds + seconds
            run.step += 1
            for name, value in {**losses, "seconds": seconds}.items():
                run.sums[name] = run.sums.get(name, 0.0) + value
            mean = run.sums["loss"] / run.step
            training.watch.step(run.epoch + 1, run.step, mean, peak_memory_gib(run.device))
    finally:
        readers.end()


def _by_step(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """Group the batches by step. The gradients of the batches of one step are added."""
    step: list[Batch] = []
    for batch in batches:
        step.append(batch)
        if batch.ends_step:
            yield step
            step = []
