"""Compare numpy with batchgenerators for the paper's flip and intensity shift: one patch of 128^3, one core.

    python -m tests.benchmarks.flips [--patch 128] [--repeats 15]

Both flip along all axes, which is the most expensive draw, and both copy the patch first, as training does. Prints
JSON with the median milliseconds of each, and those of the six transforms of `--augmentation nnunet`.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from batchgenerators.augmentations.color_augmentations import augment_brightness_additive
from batchgenerators.transforms.color_transforms import (
    BrightnessMultiplicativeTransform,
    ContrastAugmentationTransform,
    GammaTransform,
)
from batchgenerators.transforms.noise_transforms import (
    GaussianBlurTransform,
    GaussianNoiseTransform,
)
from batchgenerators.transforms.resample_transforms import SimulateLowResolutionTransform
from batchgenerators.transforms.spatial_transforms import MirrorTransform

FLIPS_ALL = 15
"""Seed with which batchgenerators draws a flip along each axis."""


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    image = rng.standard_normal((options.patch,) * 3, dtype=np.float32)
    target = (image > 1).astype(np.uint8)

    def flip_by_numpy() -> None:
        for array in (image, target):
            np.ascontiguousarray(np.flip(array, (0, 1, 2)))

    def flip_by_batchgenerators() -> None:
        np.random.seed(FLIPS_ALL)  # noqa: NPY002
        MirrorTransform((0, 1, 2))(data=image[None, None].copy(), seg=target[None, None].copy())

    def transform(one: Callable[..., object]) -> Callable[[], object]:
        return lambda: one(data=image[None, None].copy())

    works: dict[str, Callable[[], object]] = {
        "flip, numpy": flip_by_numpy,
        "flip, batchgenerators": flip_by_batchgenerators,
        "shift, numpy": lambda: image + np.float32(0.1),
        "shift, batchgenerators": lambda: augment_brightness_additive(image[None].copy(), 0.1, 0.0),
        "noise": transform(GaussianNoiseTransform()),
        "blur": transform(GaussianBlurTransform((0.5, 1.0))),
        "brightness": transform(BrightnessMultiplicativeTransform((0.75, 1.25))),
        "contrast": transform(ContrastAugmentationTransform()),
        "low resolution": transform(
            SimulateLowResolutionTransform((0.5, 1.0), True, 1, None, 0, 3)
        ),
        "gamma": transform(GammaTransform((0.7, 1.5), True, True, retain_stats=True)),
    }
    taken = {name: _milliseconds(work, options.repeats) for name, work in works.items()}
    json.dump({"patch": options.patch, "milliseconds": taken}, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _milliseconds(work: Callable[[], object], repeats: int) -> float:
    work()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - began))
    return round(median(taken), 2)


if __name__ == "__main__":
    main()
