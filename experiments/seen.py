"""Measure how well a network segments the cases that it was trained on.

If these are no better than new cases, the network has not learnt enough yet. If they are much better, it overfits.
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
    f"Dice in windows of the plan's grid, {PER_CASE} per case, each centred on one seeded click on the target, mean"
    f" over the windows of the first {MOST_CASES} cases of each part; training cases without augmentation"
)


def measure_seen(place: Place, row: Row, device: str) -> dict[str, object]:
    """Segment windows of training, validation and test cases in the same way.

    Args:
        place: Prepared folders.
        row: A trained row.
        device: Device as promise-predict names it.

    Returns:
        A description of the values, and their mean over training, validation and test cases.
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
    """Make windows of some cases, in the order of their names, each centred on one seeded click on the target."""
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
