"""Divide the samples of an epoch into optimizer steps, and each step among the processes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Batch:
    """Samples that a process computes at once."""

    indices: tuple[int, ...]
    """Indices into `TrainingSamples`."""
    weight: float
    """Factor of the batch's mean loss. Each process adds up its weighted losses of a step. The average of these sums
    over the processes is the mean loss of the step's samples."""
    ends_step: bool
    """Whether the optimizer takes a step after this batch."""


def num_steps(num_samples: int, samples_per_step: int) -> int:
    """Return the number of steps in one epoch. The last one may have fewer samples."""
    return -(-num_samples // samples_per_step)


def schedule(
    order: Sequence[int],
    *,
    batch_size: int,
    samples_per_step: int,
    first_step: int = 0,
    rank: int = 0,
    size: int = 1,
) -> list[Batch]:
    """Return the batches of one process in one epoch.

    The samples of a step do not depend on the number of processes or on the batch size, and each occurs only once.
    Except for rounding, n processes with batches of b samples have the same losses as one process with batches of n * b
    samples.

    Args:
        order: Indices of the epoch's samples, shuffled.
        batch_size: Largest number of samples in a batch.
        samples_per_step: Number of samples in a step, over all processes.
        first_step: Number of steps of this epoch that are done already.
        rank: Number of the process, counted from 0.
        size: Number of processes.
    """
    batches = []
    for step in range(first_step, num_steps(len(order), samples_per_step)):
        samples = order[step * samples_per_step : (step + 1) * samples_per_step]
        # A short last step may leave a process without a sample. It computes one with weight 0, because all processes
        # must average their gradients together.
        own, counts = samples[rank::size], True
        if not own:
            own, counts = samples[:1], False
        for start in range(0, len(own), batch_size):
            part = tuple(own[start : start + batch_size])
            weight = size * len(part) / len(samples) if counts else 0.0
            batches.append(Batch(part, weight, start + batch_size >= len(own)))
    return batches
