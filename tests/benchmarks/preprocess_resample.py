"""Compare our resampling of a scan to 1 mm, with clipping, normalising and float16, with SimpleITK's filter and NumPy.

    .venv/bin/python tests/benchmarks/preprocess_resample.py [ROUNDS]

The scan has 512 x 512 x 100 voxels of 0.7 x 0.7 x 2.5 mm, in int16 and in the memory layout that nibabel gives. Both
run by turns with one thread. Prints JSON: the processor seconds of the best of ROUNDS (default 5), the peak memory
besides the scan, and the largest difference of the results.
"""

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from promise_cli.dataset.plan import Normalisation, Plan
from promise_cli.dataset.prepare import preprocess_image
from promise_cli.geometry.grid import Grid
from promise_cli.geometry.resample import target_grid
from promise_cli.volume import Volume
from promise_cli.volume.stored import header_for

LOW, HIGH, MEAN, STD = -100.0, 200.0, 50.0, 60.0


def make_scan() -> Volume:
    """Return a scan of noise on the grid of a CT."""
    array = np.random.default_rng(0).integers(-1000, 1000, (512, 512, 100), dtype=np.int16)
    grid = Grid((512, 512, 100), np.diag([0.7, 0.7, 2.5, 1.0]))
    axes = np.array([[0, 1], [1, 1], [2, 1]], dtype=np.float64)
    return Volume(np.asfortranarray(array), grid, grid, axes, header_for(grid))


def ours(scan: Volume) -> NDArray[Any]:
    """Return the scan as our preprocessing stores it."""
    numbers = Normalisation(scheme="dataset", low=LOW, high=HIGH, mean=MEAN, std=STD)
    plan = Plan(
        dataset="x",
        target_label=1,
        target_name="x",
        modality="CT",
        orientation="RAS",
        spacing=(1.0, 1.0, 1.0),
        patch_size=128,
        normalisation=numbers,
    )
    return np.ascontiguousarray(preprocess_image(scan, plan, np.float16)[0])


def theirs(scan: Volume) -> NDArray[Any]:
    """Return the same as `ours`, resampled with SimpleITK's linear filter."""
    shape = target_grid(scan.grid, (1.0, 1.0, 1.0)).shape
    step = np.array(scan.grid.shape) / np.array(shape)
    filtered = sitk.Resample(
        sitk.GetImageFromArray(scan.array.astype(np.float32).T),
        list(shape),
        sitk.Transform(3, sitk.sitkIdentity),
        sitk.sitkLinear,
        (0.5 * step - 0.5).tolist(),
        step.tolist(),
        np.eye(3).ravel().tolist(),
        0.0,
        sitk.sitkFloat32,
        True,
    )
    image = np.clip(sitk.GetArrayFromImage(filtered).T, LOW, HIGH)
    image -= np.float32(MEAN)
    image /= np.float32(STD)
    return np.ascontiguousarray(image, dtype=np.float16)


def peak_bytes() -> int:
    """Return the peak memory of this process since the peak was last reset."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def peak_mb(work: Callable[[Volume], NDArray[Any]]) -> float:
    """Return the peak memory of the work in MB besides the scan; called in a process of its own."""
    scan = make_scan()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = peak_bytes()
    work(scan)
    return round((peak_bytes() - before) / 1e6)


def main() -> None:
    """Measure both, and print the figures as JSON."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    scan, best, results = make_scan(), dict.fromkeys(("ours", "simpleitk"), np.inf), {}
    for _ in range(rounds):
        for name, work in (("ours", ours), ("simpleitk", theirs)):
            begin = time.process_time()
            results[name] = work(scan)
            best[name] = min(best[name], time.process_time() - begin)
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        peaks = pool.map(peak_mb, (ours, theirs), chunksize=1)
    apart = np.abs(results["ours"].astype(np.float32) - results["simpleitk"].astype(np.float32))
    rows = {
        "seconds": {name: round(value, 3) for name, value in best.items()},
        "ratio": round(best["simpleitk"] / best["ours"], 1),
        "peak_mb": dict(zip(best, peaks, strict=True)),
        "largest_difference": float(apart.max()),
    }
    sys.stdout.write(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main()
