"""How well a network does on the cases that it was trained on.

If it does no better there than on new ones, it has not learnt enough yet; if it does much better, it has learnt them by
heart.
"""

from statistics import fmean

import numpy as np

from experiments.matrix import Row
from experiments.place import Place
from promise_cli.scores.metrics import dice
from promise_cli.session.networks import EncodedWindow
from promise_cli.session.predictor import Predictor
from promise_cli.train.samples import ValidationSamples

PER_CASE = 3
MOST_CASES = 30
SEED = 1
MEANING = (
    f"Dice in windows of the plan's grid, {PER_CASE} a case, each centred on one seeded click on the target, mean over"
    f" the windows of the first {MOST_CASES} cases of each part; training cases without augmentation"
)


def measure_seen(place: Place, row: Row, device: str) -> dict[str, object]:
    """Segment windows of training, validation and test cases alike.

    Args:
        place: Prepared.
        row: Trained.
        device: As of promise-predict.

    Returns:
        What was measured, and its mean for each part of the fold.
    """
    predictor = Predictor.load(place.checkpoint_of(row), device)
    fold = place.fold
    parts = {"train": fold.train, "val": fold.val, "test": fold.test}
    mean = {
        name: round(_mean_dice(predictor, place, tuple(sorted(case_ids))[:MOST_CASES]), 6)
        for name, case_ids in parts.items()
    }
    return {"meaning": MEANING, "mean": mean}


def windows(place: Place, case_ids: tuple[str, ...], edge: int) -> ValidationSamples:
    """Windows of some cases, each centred on one seeded click on the target, in the order of the cases' names."""
    cases = place.preprocessed / "cases"
    return ValidationSamples(cases, tuple(sorted(case_ids)), edge, PER_CASE, SEED)


def _mean_dice(predictor: Predictor, place: Place, case_ids: tuple[str, ...]) -> float:
    samples = windows(place, case_ids, predictor.plan.patch_size)
    found = []
    for index in range(len(samples)):
        sample = samples[index]
        probabilities = predictor.networks.probabilities(
            EncodedWindow(sample.image[0].numpy()),
            sample.clicks.numpy().astype(np.int64),
            sample.signs.numpy(),
        )
        found.append(dice(probabilities > 0.5, sample.target[0].numpy() > 0))
    return fmean(found)
