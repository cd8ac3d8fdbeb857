"""Clicks that correct a first answer, as a user gives them, in training."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from promise_cli.architectures import Network
from promise_cli.prompts import BACKGROUND, FOREGROUND, PADDING, largest_error
from promise_cli.samples import Sample, generator

STREAM = 1_000_000
"""Sets these random numbers apart from those of the samples themselves."""


def correct(model: Network, sample: Sample, most: int, *, seed: int, epoch: int) -> Sample:
    """Click on what the network misses or adds, from none to `most` times, and look again after each click.

    Each click lies in the middle of the largest part that is wrong, in the foreground where it was missed and in the
    background where it was added; a right answer gets none. So a click says where the network errs, which clicks
    drawn at random from the target do not.

    Args:
        model: Asked without gradients; what does not depend on the clicks is computed once.
        sample: Of a batch, with its first clicks.
        most: Corrections; how many a sample gets is drawn.
        seed: Of the run.
        epoch: From 0; with the seed and the case it decides what is drawn.

    Returns:
        The sample with a click, or padding, for each turn behind the clicks that it has.
    """
    rngs = [generator(seed, epoch, case_id, STREAM) for case_id in sample.case_ids]
    numbers = [int(rng.integers(0, most + 1)) for rng in rngs]
    if not max(numbers):
        return sample
    decode: Callable[..., Tensor] = model.decode  # of whatever its own encode gives
    with torch.no_grad():
        state = model.encode(sample.image)
        logits = decode(state, sample.clicks, sample.labels)
    return click_on_errors(model, state, sample, logits, numbers, rngs)


def click_on_errors(
    model: Network,
    state: object,
    sample: Sample,
    logits: Tensor,
    numbers: Sequence[int],
    rngs: Sequence[np.random.Generator],
) -> Sample:
    """The sample with as many further clicks as asked for, each where the answer to those before it is wrong.

    Args:
        model: Asked without gradients.
        state: What the model's `encode` made of the sample's images.
        sample: Of a batch, with its first clicks.
        logits: The model's answer to them.
        numbers: Of further clicks, for each sample of the batch.
        rngs: Likewise; each chooses among places that are equally good.
    """
    targets = sample.target[:, 0].cpu().numpy() > 0
    decode: Callable[..., Tensor] = model.decode  # of whatever its own encode gives
    for turn in range(max(numbers)):
        if turn:
            with torch.no_grad():
                logits = decode(state, sample.clicks, sample.labels)
        masks = (logits[:, 1] > logits[:, 0]).cpu().numpy()
        clicks = np.zeros((len(numbers), 1, 3), dtype=np.float32)
        labels = np.full((len(numbers), 1), PADDING)
        for place, (number, rng) in enumerate(zip(numbers, rngs, strict=True)):
            if turn >= number:
                continue
            found = largest_error(targets[place], masks[place], (1.0, 1.0, 1.0), rng)
            if found is not None:
                clicks[place, 0] = found.voxel
                labels[place, 0] = FOREGROUND if found.foreground else BACKGROUND
        sample = dataclasses.replace(
            sample,
            clicks=torch.cat([sample.clicks, torch.from_numpy(clicks).to(sample.clicks)], dim=1),
            labels=torch.cat([sample.labels, torch.from_numpy(labels).to(sample.labels)], dim=1),
        )
    return sample
