"""Measure how many training samples per second one core delivers: patches of 128^3 voxels, augmented and with clicks.

    python -m tests.benchmarks.samples [--augmentation nnunet] [--patch 128] [--samples 60] [--profile]

Cases of 320^3 voxels are written into a temporary folder, and one process with one thread cuts samples from them.
Prints JSON with samples per second of wall and of processor time. With --profile, the functions that take most of the
time are listed on standard error.
"""

import argparse
import cProfile
import json
import pstats
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from promise_cli.network.augmentation import SCHEMES
from promise_cli.network.recipe import TrainConfig
from promise_cli.train.samples import TrainingSamples

CASES, EDGE = 3, 320


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--augmentation", choices=SCHEMES, default="paper")
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        ids = tuple(f"case_{number}" for number in range(CASES))
        for number, case in enumerate(ids):
            _write(Path(folder) / case, np.random.default_rng(number))
        recipe = TrainConfig(augmentation=options.augmentation)
        samples = TrainingSamples(Path(folder), ids, options.patch, recipe, 0, 60.0)
        samples[0]  # a warm-up, which imports what samples need
        with cProfile.Profile() as profile:
            wall, processor = time.perf_counter(), time.process_time()
            for index in range(1, options.samples + 1):
                samples[index]
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
    if options.profile:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("cumtime").print_stats(30)
    json.dump(
        {
            "augmentation": options.augmentation,
            "patch": options.patch,
            "samples": options.samples,
            "patches_per_second": options.samples / wall,
            "patches_per_processor_second": options.samples / processor,
        },
        sys.stdout,
        indent=2,
    )
    sys.stdout.write("\n")


def _write(folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir()
    shape = (EDGE, EDGE, EDGE)
    target = np.zeros(shape, dtype=np.uint8)
    i, j, k = rng.integers(80, EDGE - 80, 3)
    target[i - 15 : i + 15, j - 15 : j + 15, k - 10 : k + 10] = 1
    np.save(folder / "image.npy", rng.standard_normal(shape, dtype=np.float32).astype(np.float16))
    np.save(folder / "target.npy", target)
    np.save(folder / "foreground.npy", np.flatnonzero(target))


if __name__ == "__main__":
    main()
