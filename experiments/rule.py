"""Score a rule that needs no network: soft tissue within a radius of the click.

python -m experiments.rule MATRIX --data FOLDER --work FOLDER
"""

from itertools import product
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from experiments.options import parser_of, place_of
from experiments.place import Place, write_json
from experiments.seen import windows
from promise_cli.console import say
from promise_cli.scores.metrics import dice

RADII_MM = (30.0, 36.0, 42.0, 48.0, 54.0, 60.0, 66.0, 72.0)
RANGES = ((-30.0, 80.0), (-10.0, 60.0), (0.0, 50.0), (10.0, 50.0))
"""Ranges of HU in the scan smoothed by one voxel."""
MEANING = (
    "Dice, in the windows of seen.json, of all voxels within radius_mm of the click whose HU, smoothed by one voxel,"
    " lie between low and high; these three numbers are those that fit the training cases best"
)


def measure_rule(place: Place) -> dict[str, object]:
    """Choose the rule on the training cases, and score it on all parts of the fold.

    Args:
        place: Prepared folders of a dataset of CT scans.

    Returns:
        The rule and its mean Dice on training, validation and test cases.
    """
    fold = place.fold
    train = _windows(place, fold.train)
    rules = list(product(RADII_MM, RANGES))
    scores = [_mean_dice(train, *rule) for rule in rules]
    best = int(np.argmax(scores))
    radius, (low, high) = rules[best]
    return {
        "meaning": MEANING,
        "rule": {"radius_mm": radius, "low": low, "high": high},
        "mean": {
            "train": round(scores[best], 6),
            "val": round(_mean_dice(_windows(place, fold.val), *rules[best]), 6),
            "test": round(_mean_dice(_windows(place, fold.test), *rules[best]), 6),
        },
    }


Window = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_]]
"""Smoothed HU, distance from the click in mm, and target of one window."""


def _windows(place: Place, case_ids: tuple[str, ...]) -> list[Window]:
    plan = place.plan
    samples = windows(place, case_ids, plan.patch_size)
    mean, std = plan.normalisation.mean, plan.normalisation.std
    found = []
    for index in range(len(samples)):
        sample = samples[index]
        hu = ndimage.gaussian_filter(sample.image[0].numpy() * std + mean, 1)
        away = np.moveaxis(np.indices(hu.shape), 0, -1) - sample.clicks[0].numpy()
        distance = np.linalg.norm(away * np.array(plan.spacing), axis=-1)
        found.append((hu, distance, sample.target[0].numpy() > 0))
    return found


def _mean_dice(windows: list[Window], radius: float, hu_range: tuple[float, float]) -> float:
    low, high = hu_range
    return fmean(
        dice((distance <= radius) & (hu > low) & (hu < high), target)
        for hu, distance, target in windows
    )


def main() -> None:
    """Measure the rule and write `rule.json`."""
    place = place_of(parser_of("experiments.rule", __doc__).parse_args())
    found = measure_rule(place)
    write_json(found, place.kept / "rule.json")
    say(f"{found['rule']}: {found['mean']}")


if __name__ == "__main__":
    main()
