"""Compare time and memory of our Dice and NSD with surface-distance from PyPI, on masks of 512 x 512 x 100 voxels.

    .venv/bin/python tests/benchmarks/nsd.py [ROUNDS]

Installs surface-distance 0.1 into a temporary folder, and replaces there the names that numpy 2 and scipy no longer
have. Both are timed by turns in one process, in wall and in processor time, since ours reads large masks with two
threads. The best of ROUNDS (default 5) counts. Prints JSON, of which only the ratios are worth quoting. Memory is the
peak of what numpy allocates besides the two masks.
"""

import importlib
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from promise_cli.scores.metrics import Scores, score_masks

SHAPE = (512, 512, 100)
SPACING = (0.8, 0.8, 2.5)
TOLERANCE_MM = 5.0


def install_reference(folder: str) -> Any:
    """Install surface-distance 0.1 into `folder`, adapt it to the installed numpy and scipy, and return its module."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder]
    subprocess.run([*pip, "surface-distance==0.1"], check=True, stdout=sys.stderr)
    source = Path(folder, "surface_distance", "metrics.py")
    text = (
        source.read_text(encoding="utf-8").replace("np.Inf", "np.inf").replace("np.NaN", "np.nan")
    )
    text = text.replace("ndimage.filters.", "ndimage.").replace("ndimage.morphology.", "ndimage.")
    source.write_text(text, encoding="utf-8")
    sys.path.insert(0, folder)
    return importlib.import_module("surface_distance.metrics")


def blob(centre: tuple[int, int, int], radius_mm: float, seed: int) -> np.ndarray:
    """Return a lumpy ball around the voxel `centre`, (I, J, K) of bool in Fortran order, as nibabel reads arrays."""
    rng = np.random.default_rng(seed)
    lumps = ndimage.zoom(rng.normal(size=(16, 16, 12)), np.divide(SHAPE, (16, 16, 12)), order=1)
    axes = [(np.arange(n) - c) * s for n, c, s in zip(SHAPE, centre, SPACING, strict=True)]
    distance = np.sqrt(sum(axis**2 for axis in np.ix_(*axes)))
    return np.asfortranarray(distance < radius_mm * (1 + 0.15 * lumps))


def make_pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the measured pairs of prediction and reference by name."""
    tumour = blob((200, 300, 50), 15, 0), blob((203, 301, 51), 15, 1)
    far = tumour[0] | blob((380, 200, 70), 6, 2)
    organ = blob((256, 256, 50), 49, 3), blob((258, 252, 50), 49, 4)
    liver = blob((256, 256, 50), 85, 5), blob((262, 256, 50), 83, 6)
    return {
        "tumour": tumour,
        "tumour + far false positive": (far, tumour[1]),
        "organ": organ,
        "liver": liver,
    }


def run_reference(
    module: Any, prediction: np.ndarray, reference: np.ndarray
) -> tuple[float, float]:
    """Return Dice and NSD as surface-distance computes them."""
    distances = module.compute_surface_distances(reference, prediction, SPACING)
    return (
        module.compute_dice_coefficient(reference, prediction),
        module.compute_surface_dice_at_tolerance(distances, TOLERANCE_MM),
    )


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return the work's wall and processor time in milliseconds, and its result."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return (
        (time.perf_counter() - wall) * 1000,
        (time.process_time() - processor) * 1000,
        result,
    )


def peak_mb(work: Callable[[], Any]) -> float:
    """Return the most memory that the work holds at a time, in MB."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def measure(
    module: Any, prediction: np.ndarray, reference: np.ndarray, rounds: int
) -> dict[str, float]:
    """Return the scores, times, memory and ratios of one pair."""

    def ours() -> Scores:
        return score_masks(prediction, reference, SPACING, (TOLERANCE_MM,))

    def theirs() -> tuple[float, float]:
        return run_reference(module, prediction, reference)

    runs = [(timed(ours), timed(theirs)) for _ in range(rounds)]
    scores, (dice, nsd) = runs[0][0][2], runs[0][1][2]
    own_ms = [min(run[0][clock] for run in runs) for clock in (0, 1)]
    reference_ms = [min(run[1][clock] for run in runs) for clock in (0, 1)]
    return {
        "reference_ml": round(float(reference.sum() * np.prod(SPACING) / 1000), 1),
        "dice": scores.dice,
        "nsd": scores.nsd[0],
        "difference": max(abs(scores.dice - dice), abs(scores.nsd[0] - nsd)),
        "wall_ms": round(own_ms[0], 2),
        "surface_distance_wall_ms": round(reference_ms[0], 2),
        "ratio": round(reference_ms[0] / own_ms[0], 1),
        "processor_ms": round(own_ms[1], 2),
        "surface_distance_processor_ms": round(reference_ms[1], 2),
        "processor_ratio": round(reference_ms[1] / own_ms[1], 1),
        "peak_mb": round(peak_mb(ours), 1),
        "surface_distance_peak_mb": round(peak_mb(theirs), 1),
    }


def main() -> None:
    """Measure all pairs, and print the figures as JSON."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        module = install_reference(folder)
        rows = {name: measure(module, *pair, rounds) for name, pair in make_pairs().items()}
    sys.stdout.write(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
