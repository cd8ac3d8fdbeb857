"""Take steps of the optimizer, with gradients averaged over the devices, and validate."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from promise_cli.network.device import autocast
from promise_cli.network.recipe import TrainConfig
from promise_cli.train.corrections import STREAM, Answering, Logits, Turns, draw_turns
from promise_cli.train.losses import total_loss
from promise_cli.train.samples import Sample, collate, sample_rng
from promise_cli.train.schedule import Batch
from promise_cli.train.training import Training, not_finite, stop_if_asked

PARTS = ("loss", "dice", "cross_entropy", "boundary")
"""Names of the loss and its parts in the sums of a run."""


def take_step(
    training: Training, batches: Sequence[Batch], samples: Iterator[Sample]
) -> dict[str, float]:
    """Take one step of the optimizer, over the samples of all processes.

    Args:
        training: The training, whose weights and optimizer are updated.
        batches: Batches of this process in the step. Their gradients are added.
        samples: Iterator over the samples of the batches on the run's device, one collated sample for each.

    Returns:
        The loss and its parts by their names in `PARTS`, each the mean over all samples of the step.

    Raises:
        DatasetError: The loss or its gradient is not finite. The weights stay as they were.
    """
    run, group = training.run, training.group
    run.optimizer.zero_grad(set_to_none=True)
    found: list[Tensor] = []
    case_ids: list[str] = []
    for batch in batches:
        asked = time.monotonic()
        sample = next(samples)
        training.waiting_seconds += time.monotonic() - asked
        case_ids.extend(sample.case_ids)
        turns = draw_turns(sample, run.config.corrections, seed=run.seed, epoch=run.epoch)
        with _gathering(training.network, batch.ends_step):
            with autocast(run.device, run.precision):
                answers = training.network(sample, turns)
            loss, parts = _loss_of(answers, sample.target, run.config)
            run.scaler.scale(batch.weight * loss).backward()  # type: ignore[no-untyped-call]
        found.extend([loss.detach(), *(parts[name] for name in PARTS[1:])])
    run.scaler.unscale_(run.optimizer)
    norm = torch.nn.utils.clip_grad_norm_(run.model.parameters(), run.config.gradient_clip)
    values = torch.stack([*found, norm]).cpu().double()  # the only wait for the device
    weights = torch.tensor([batch.weight for batch in batches], dtype=torch.float64)
    sums = weights @ values[:-1].reshape(len(batches), len(PARTS))
    means = group.sum(sums) / group.size
    if not math.isfinite(means[0]):
        raise not_finite(training, f"the loss is {float(means[0])}", case_ids)
    if not math.isfinite(values[-1]) and not run.can_lower_scale:
        raise not_finite(training, "the gradient is not finite", case_ids)
    run.scaler.step(run.optimizer)
    run.scaler.update()
    return dict(zip(PARTS, means.tolist(), strict=True))


def _loss_of(
    answers: Logits, target: Tensor, config: TrainConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss and its parts, as a weighted mean over the answers before and after the corrections."""
    loss, parts = total_loss(answers.last, target, config.loss)
    share = config.first_answer_weight
    if not share or answers.first is None:
        return loss, parts
    first, parts_of_first = total_loss(answers.first, target, config.loss)
    both = {name: share * parts_of_first[name] + (1 - share) * part for name, part in parts.items()}
    return share * first + (1 - share) * loss, both


def _gathering(network: nn.Module, ends_step: bool) -> AbstractContextManager[Any]:
    """Return a context in which processes average their gradients only in the last backward pass of a step."""
    if isinstance(network, DistributedDataParallel) and not ends_step:
        return network.no_sync()
    return nullcontext()


class Validation(NamedTuple):
    """Mean scores over the fixed validation patches."""

    dice: float
    """Mean Dice with the patches' own clicks."""
    corrected_dice: float | None
    """Mean Dice after the largest number of corrections of the recipe; None for a recipe without corrections."""


@torch.inference_mode()
def validate(training: Training) -> Validation:
    """Score the network on the fixed validation patches, which the processes share.

    If the plan has several objects, the scores are means over the objects, which all count the same.

    Raises:
        DatasetError: The network's output is not finite.
        StoppedError: A stop was asked for. The run is saved after the epoch's last step, and resumes with validation.
    """
    run, group = training.run, training.group
    run.model.eval()
    fixed = training.fixed
    objects = run.plan.objects
    sums = torch.zeros(max(1, len(objects)), 3, dtype=torch.float64)  # Dice, corrected, patches
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
        wanted = fixed.object_of(first + group.rank) if objects else None
        row = 0 if wanted is None else objects.index(wanted)
        sums[row] += torch.tensor([dice[0], dice[-1], 1.0])
    if group.sum(torch.tensor([float(len(odd))])).item():
        raise not_finite(training, "the network's output is not finite in validation", odd)
    found = np.array(group.sum(sums).tolist())
    there = found[:, 2] > 0
    means = found[there, :2] / found[there, 2:]
    dice_mean, corrected_mean = means.mean(axis=0).tolist()
    if objects:
        names = [one.name for one, held in zip(objects, there, strict=True) if held]
        training.watch.end_validation(names, means[:, 0].tolist())
    return Validation(dice_mean, corrected_mean if run.config.corrections else None)


def _ask(training: Training, batch: Sample) -> list[Tensor]:
    """Return the logits for the batch's own clicks and, if the recipe has corrections, those after all corrections."""
    run = training.run
    turns = Turns(
        (run.config.corrections,) * len(batch.case_ids),
        tuple(sample_rng(run.seed, 0, case_id, STREAM) for case_id in batch.case_ids),
    )
    with autocast(run.device, run.precision):
        last, first = Answering(run.model, learns_from_first=False)(batch, turns)
    return [last] if first is None else [first, last]


def _dice(logits: Tensor, target: Tensor) -> float:
    mask = logits.argmax(dim=1, keepdim=True)
    overlap = (mask * target).sum()
    return float(2 * overlap / (mask.sum() + target.sum()))
