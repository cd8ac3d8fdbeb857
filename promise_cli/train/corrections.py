"""Corrections in training: clicks on the errors of an answer, as a user gives them, and the loop that asks again."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from promise_cli.network.device import uncached
from promise_cli.network.registry import Network
from promise_cli.prompts import PADDING
from promise_cli.train.deepest_error import deepest_error
from promise_cli.train.samples import Sample, sample_rng

STREAM = 1_000_000
"""Sets these random numbers apart from those of the samples themselves."""


class Turns(NamedTuple):
    """Number of corrections of each sample in a batch."""

    numbers: tuple[int, ...]
    rngs: tuple[np.random.Generator, ...]
    """Each chooses among places that are equally good."""

    @property
    def most(self) -> int:
        """Largest number of corrections in the batch."""
        return max(self.numbers, default=0)


def draw_turns(sample: Sample, most: int, *, seed: int, epoch: int) -> Turns:
    """Draw a number of corrections from 0 to `most` for each sample.

    Args:
        sample: A batch of samples.
        most: `TrainConfig.corrections`.
        seed: Seed of the run.
        epoch: Epoch, counted from 0; with the seed and the case it decides what is drawn.
    """
    rngs = tuple(sample_rng(seed, epoch, case_id, STREAM) for case_id in sample.case_ids)
    return Turns(tuple(int(rng.integers(0, most + 1)) for rng in rngs), rngs)


def click_on_errors(
    decode: Callable[[Any, Tensor, Tensor], Tensor],
    state: object,
    sample: Sample,
    logits: Tensor,
    turns: Turns,
) -> Sample:
    """Click on what the network misses or adds, and look again after each click.

    Each click lies in the middle of the largest part that is wrong, in the foreground where it was missed and in the
    background where it was added; a right answer gets none. So a click says where the network errs, which clicks
    drawn at random from the target do not.

    Args:
        decode: The network's; asked without gradients.
        state: What its `encode` made of the samples' images.
        sample: A batch of samples with their first clicks.
        logits: The answer to them.
        turns: Number of corrections of each sample, and its random generator.

    Returns:
        The sample with a click, or padding, for each turn behind the clicks that it has.
    """
    targets = sample.target[:, 0] > 0
    logits = logits.detach()
    for turn in range(turns.most):
        if turn:
            with torch.no_grad(), uncached():
                logits = decode(state, sample.clicks, sample.signs)
        masks = logits[:, 1] > logits[:, 0]
        clicks = sample.clicks.new_zeros(len(masks), 1, 3)
        signs = sample.signs.new_full((len(masks), 1), PADDING)
        for place, (number, rng) in enumerate(zip(*turns, strict=True)):
            if turn < number:
                found = deepest_error(targets[place], masks[place], rng.random())
                clicks[place, 0], signs[place, 0] = found.voxel, found.sign
        sample = dataclasses.replace(
            sample,
            clicks=torch.cat([sample.clicks, clicks], dim=1),
            signs=torch.cat([sample.signs, signs], dim=1),
        )
    return sample


class Logits(NamedTuple):
    """Logits `(B, 2, I, J, K)`."""

    last: Tensor
    """After all corrections."""
    first: Tensor | None
    """Logits for the samples' own clicks; None where no sample is corrected, so that there is only one answer."""


class Answering(nn.Module):
    """A network and whoever corrects it: images and first clicks in, answers out.

    What does not depend on the clicks is computed once for all answers, with its gradients.
    """

    def __init__(self, model: Network, *, learns_from_first: bool) -> None:
        """Whether the first of two answers has gradients, too."""
        super().__init__()
        self.model = model
        self.learns_from_first = learns_from_first
        self.encode: Callable[[Tensor], Any] = model.encode
        self.decode: Callable[[Any, Tensor, Tensor], Tensor] = model.decode

    def forward(self, sample: Sample, turns: Turns) -> Logits:
        """Ask, correct, and ask again.

        Args:
            sample: A batch of samples with their first clicks.
            turns: Number of corrections of each sample, and its random generator.
        """
        state = self.encode(sample.image)
        if not turns.most:
            return Logits(self.decode(state, sample.clicks, sample.signs), None)
        if self.learns_from_first:
            first = self.decode(state, sample.clicks, sample.signs)
        else:
            with torch.no_grad(), uncached():
                first = self.decode(state, sample.clicks, sample.signs)
        corrected = click_on_errors(self.decode, state, sample, first, turns)
        return Logits(self.decode(state, corrected.clicks, corrected.signs), first)
