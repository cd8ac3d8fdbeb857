"""One step of the optimiser: samples in, gradients averaged over the devices, weights moved."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from promise_cli.device import autocast
from promise_cli.losses import total_loss
from promise_cli.presets import TrainConfig
from promise_cli.samples import Sample
from promise_cli.train.answers import Answers
from promise_cli.train.corrections import draw_turns
from promise_cli.train.schedule import Batch
from promise_cli.train.training import Training, not_finite

PARTS = ("loss", "dice", "cross_entropy", "boundary")


def take_step(
    training: Training, batches: Sequence[Batch], samples: Iterator[Sample]
) -> dict[str, float]:
    """One step of the optimiser, over the samples of all processes.

    Args:
        training: Its run's model and optimiser are moved.
        batches: This process's share of the step, whose gradients are added.
        samples: One is taken for each batch.

    Returns:
        The loss and its parts by their names in `PARTS`, each the mean over all samples of the step.

    Raises:
        DatasetError: The loss or its gradient is not finite; the weights are as they were.
    """
    run, group = training.run, training.group
    run.optimizer.zero_grad(set_to_none=True)
    sums = torch.zeros(len(PARTS), dtype=torch.float64)
    case_ids: list[str] = []
    for batch in batches:
        asked = time.monotonic()
        sample = next(samples)
        training.waiting_seconds += time.monotonic() - asked
        case_ids.extend(sample.case_ids)
        sample = sample.to(run.device)
        turns = draw_turns(sample, run.config.corrections, seed=run.seed, epoch=run.epoch)
        with _gathering(training.network, batch.ends_step):
            with autocast(run.device, run.precision):
                answers = training.network(sample, turns)
            loss, parts = _loss_of(answers, sample.target, run.config)
            (batch.weight * loss).backward()  # type: ignore[no-untyped-call]
        values = torch.stack([loss.detach(), *(parts[name] for name in PARTS[1:])])
        sums += batch.weight * values.cpu().double()  # MPS has no float64
    norm = torch.nn.utils.clip_grad_norm_(run.model.parameters(), run.config.gradient_clip)
    means = group.sum(sums) / group.size
    if not (math.isfinite(means[0]) and math.isfinite(norm)):
        finite = math.isfinite(means[0])
        what = "the gradient is not finite" if finite else f"the loss is {float(means[0])}"
        raise not_finite(training, what, case_ids)
    run.optimizer.step()
    return dict(zip(PARTS, means.tolist(), strict=True))


def _loss_of(
    answers: Answers, target: Tensor, config: TrainConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss and its parts, the mean over both answers, each with its weight."""
    loss, parts = total_loss(answers.last, target, config.loss)
    share = config.first_answer_weight
    if not share or answers.first is None:
        return loss, parts
    first, parts_of_first = total_loss(answers.first, target, config.loss)
    both = {name: share * parts_of_first[name] + (1 - share) * part for name, part in parts.items()}
    return share * first + (1 - share) * loss, both


def _gathering(network: nn.Module, ends_step: bool) -> AbstractContextManager[Any]:
    """Processes average their gradients once a step, in its last backward pass."""
    if isinstance(network, DistributedDataParallel) and not ends_step:
        return network.no_sync()
    return nullcontext()
