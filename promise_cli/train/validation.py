"""The Dice of the fixed patches, after an epoch."""

import torch

from promise_cli.device import autocast
from promise_cli.samples import collate
from promise_cli.train.training import Training, not_finite, stop_if_asked


@torch.inference_mode()
def validate(training: Training) -> float:
    """Mean Dice of the fixed patches; the processes share them.

    Raises:
        DatasetError: The network's values are not finite.
        StoppedError: As in a step; the run is saved after the epoch's last step, so that it goes on with validation.
    """
    run, group = training.run, training.group
    run.model.eval()
    fixed = training.fixed
    total = torch.zeros(3, dtype=torch.float64)
    odd: list[str] = []
    for first in range(0, len(fixed), group.size):
        stop_if_asked(training)
        if first + group.rank >= len(fixed):
            continue
        batch = collate([fixed[first + group.rank]]).to(run.device)
        with autocast(run.device, run.precision):
            logits = run.model(batch.image, batch.clicks, batch.labels)
        if not torch.isfinite(logits).all():
            odd.extend(batch.case_ids)
        mask = logits.argmax(dim=1, keepdim=True)
        overlap = (mask * batch.target).sum()
        dice = 2 * overlap / (mask.sum() + batch.target.sum())
        total += torch.tensor([dice.item(), 1.0, len(odd)])
    dice_sum, count, num_odd = group.sum(total).tolist()
    if num_odd:
        raise not_finite(training, "the network's values are not finite in validation", odd)
    return dice_sum / count
