"""The Dice of the fixed patches, after an epoch."""

from typing import NamedTuple

import torch
from torch import Tensor

from promise_cli.device import autocast
from promise_cli.samples import Sample, collate, generator
from promise_cli.train.answers import Answering
from promise_cli.train.corrections import STREAM, Turns
from promise_cli.train.training import Training, not_finite, stop_if_asked


class Validation(NamedTuple):
    """Means over the fixed patches."""

    dice: float
    """With their own clicks."""
    corrected_dice: float | None
    """After as many further clicks on errors as a training sample gets at most; None for a recipe without any."""


@torch.inference_mode()
def validate(training: Training) -> Validation:
    """Ask the network about the fixed patches; the processes share them.

    Raises:
        DatasetError: The network's values are not finite.
        StoppedError: As in a step; the run is saved after the epoch's last step, so that it goes on with validation.
    """
    run, group = training.run, training.group
    run.model.eval()
    fixed = training.fixed
    total = torch.zeros(4, dtype=torch.float64)
    odd: list[str] = []
    for first in range(0, len(fixed), group.size):
        stop_if_asked(training)
        if first + group.rank >= len(fixed):
            continue
        batch = collate([fixed[first + group.rank]]).to(run.device)
        answers = _ask(training, batch)
        if not all(torch.isfinite(logits).all() for logits in answers):
            odd.extend(batch.case_ids)
        dice = [_dice(logits, batch.target) for logits in answers]
        total += torch.tensor([dice[0], dice[-1], 1.0, len(odd)])
    dice_sum, corrected_sum, count, num_odd = group.sum(total).tolist()
    if num_odd:
        raise not_finite(training, "the network's values are not finite in validation", odd)
    corrected = corrected_sum / count if run.config.corrections else None
    return Validation(dice_sum / count, corrected)


def _ask(training: Training, batch: Sample) -> list[Tensor]:
    """Logits for the batch's own clicks and, where the recipe knows corrections, after all of them."""
    run = training.run
    turns = Turns(
        (run.config.corrections,) * len(batch.case_ids),
        tuple(generator(run.seed, 0, case_id, STREAM) for case_id in batch.case_ids),
    )
    with autocast(run.device, run.precision):
        last, first = Answering(run.model, learns_from_first=False)(batch, turns)
    return [last] if first is None else [first, last]


def _dice(logits: Tensor, target: Tensor) -> float:
    mask = logits.argmax(dim=1, keepdim=True)
    overlap = (mask * target).sum()
    return float(2 * overlap / (mask.sum() + target.sum()))
