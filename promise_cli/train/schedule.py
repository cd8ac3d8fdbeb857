"""Which samples make a step of the optimiser, and which of them a process computes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Batch:
    """What one process computes at once."""

    indices: tuple[int, ...]
    """Indices into `TrainingSamples`."""
    weight: float
    """Weight of the batch's mean loss; it makes the processes' sums average to the mean over the step's samples."""
    ends_step: bool
    """Whether the optimiser steps after it."""


def num_steps(num_samples: int, samples_per_step: int) -> int:
    """Steps in one epoch; the last one may have fewer samples."""
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
    """One process's batches of one epoch.

    However many processes share a step, and in however many batches, its samples are the same, each once: the losses
    of n processes with batches of b equal those of one with batches of n * b but for rounding.

    Args:
        order: The epoch's samples.
        batch_size: Samples at once.
        samples_per_step: Samples in a step, over all processes.
        first_step: Steps of this epoch that are done already.
        rank: Which process, counted from 0.
        size: Number of processes.
    """
    batches = []
    for step in range(first_step, num_steps(len(order), samples_per_step)):
        samples = order[step * samples_per_step : (step + 1) * samples_per_step]
        # A process without a sample of a short last step computes one for nothing: all must meet.
        own, counts = samples[rank::size], True
        if not own:
            own, counts = samples[:1], False
        for start in range(0, len(own), batch_size):
            part = tuple(own[start : start + batch_size])
            weight = size * len(part) / len(samples) if counts else 0.0
            batches.append(Batch(part, weight, start + batch_size >= len(own)))
    return batches
