"""Corrections in training: click on the errors of the network's answer, as a user does, and ask the network again."""

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
"""Number of a sample's generator for corrections; it differs from the numbers of the generators that draw samples."""


class Turns(NamedTuple):
    """How many corrections the samples of a batch get."""

    numbers: tuple[int, ...]
    """Number of corrections of each sample."""
    rngs: tuple[np.random.Generator, ...]
    """Random generator of each sample. It chooses among equally good places for a click."""

    @property
    def most(self) -> int:
        """Largest number of corrections in the batch."""
        return max(self.numbers, default=0)


def draw_turns(sample: Sample, most: int, *, seed: int, epoch: int) -> Turns:
    """Draw a number of corrections from 0 to `most` for each sample.

    Args:
        sample: A batch of samples.
        most: Largest number of corrections, `TrainConfig.corrections`.
        seed: Seed of the run.
        epoch: Epoch, counted from 0. Seed, epoch and case decide what is drawn.
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
    """Click on the errors of the network's answer, and ask the network again after each click.

    Each click lies where the answer is wrong most deeply (`deepest_error`). Where the network missed the target it is a
    foreground click, where the network added to the target it is a background click. A correct answer gets no click.
    Such clicks show where the network is wrong, which clicks at random places of the target do not.

    Args:
        decode: The network's `decode`, which is called without gradients.
        state: What the network's `encode` returned for the samples' images.
        sample: A batch of samples with their first clicks.
        logits: The network's answer to the first clicks, `(B, 2, I, J, K)`.
        turns: Number of corrections of each sample, and its random generator.

    Returns:
        The batch, in which each correction adds one click after the earlier ones. Samples without an error, and those
        with fewer corrections than others, get padding instead.
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
    """The network's answers, as logits `(B, 2, I, J, K)`."""

    last: Tensor
    """Logits after all corrections."""
    first: Tensor | None
    """Logits for the samples' own clicks; None if no sample is corrected, because `last` then is the only answer."""


class Answering(nn.Module):
    """A network together with the simulated user who corrects it. It maps images and first clicks to answers.

    `encode` does not depend on the clicks. It runs once for all answers, with gradients.
    """

    def __init__(self, model: Network, *, learns_from_first: bool) -> None:
        """Wrap a network.

        Args:
            model: The network.
            learns_from_first: Whether the answer to the first clicks has gradients, too.
        """
        super().__init__()
        self.model = model
        self.learns_from_first = learns_from_first
        self.encode: Callable[[Tensor], Any] = model.encode
        self.decode: Callable[[Any, Tensor, Tensor], Tensor] = model.decode

    def forward(self, sample: Sample, turns: Turns) -> Logits:
        """Ask the network, correct it, and ask it again.

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
