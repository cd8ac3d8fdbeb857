"""Compare the time of a whole promise-evaluate with the time that reading the files alone takes.

    python -m tests.benchmarks.evaluate [CASES]

Writes pairs of label and mask of 512 x 512 x 100 voxels into a temporary folder. CASES is their number (default 57, the
size of a test fold of MSD's pancreas). Only eight pairs differ, and each is stored under several names.

Prints JSON with the seconds to read all files (`read_label` in one process), and the seconds of the command in one
process, with and without report.html, and in as many processes as there are cores. All files are read once beforehand,
so that every measurement finds them in the system's cache.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from promise_cli.evaluate.command import evaluate
from promise_cli.volume import read_label
from tests.benchmarks.nsd import SPACING, blob


def write_pairs(folder: Path, cases: int) -> None:
    """Write label and mask of an organ with a tumour for each case: eight different pairs, and links to them."""
    affine = np.diag([*SPACING, 1.0])
    for name in ("masks", "labels"):
        (folder / name).mkdir()
    for number in range(min(cases, 8)):
        centre = (240 + 4 * number, 250, 48)
        for shift, name in ((0, "labels"), (3, "masks")):
            moved = (centre[0] + shift, centre[1], centre[2])
            array = blob(moved, 45, number).astype(np.uint8)
            array[blob(moved, 14, number + 50)] = 2
            path = folder / name / f"case_{number:03d}.nii.gz"
            nib.save(nib.Nifti1Image(array, affine), path)
            for other in range(number + 8, cases, 8):
                (folder / name / f"case_{other:03d}.nii.gz").symlink_to(path)


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Return the wall time of the work in seconds, and its processor time with that of child processes."""
    wall, processor = time.perf_counter(), sum(os.times()[:4])
    work()
    return {
        "wall_s": round(time.perf_counter() - wall, 2),
        "processor_s": round(sum(os.times()[:4]) - processor, 2),
    }


def main() -> None:
    """Measure, and print the times as JSON."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 57
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pairs(folder, cases)
        pair = folder / "masks", folder / "labels"

        def read() -> None:
            for path in sorted(folder.glob("*/*.nii.gz")):
                read_label(path, "as_stored")

        read()
        rows = {
            "read": timed(read),
            "evaluate_one_process": timed(lambda: evaluate(*pair, workers=0, page=False)),
            "evaluate_one_process_with_page": timed(lambda: evaluate(*pair, workers=0)),
            "evaluate_processes": timed(lambda: evaluate(*pair, page=False)),
        }
    share = rows["read"]["processor_s"] / rows["evaluate_one_process"]["processor_s"]
    rows["reading_share"] = {"of_processor_time": round(share, 2)}
    sys.stdout.write(json.dumps({"cases": cases, **rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
