"""Let eight clients use promise-serve at once, and look for wrong masks and leaks.

    python -m tests.benchmarks.serve_stress [SECONDS]

Six clients click and compare each mask with that of promise-predict. One sends garbage, and one stops in the middle of
uploads. It prints JSON: the answers, the number of masks that were compared, everything that was wrong, what the server
printed, and its memory, threads and open files during the run. It trains a tiny network on a phantom of balls first.
"""

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import nibabel as nib
import numpy as np

from promise_cli.console import mute
from promise_cli.preprocess.command import preprocess
from promise_cli.serve.sessions import MOST_SESSIONS
from promise_cli.train import TrainRequest, train
from tests.balls import mask_of, predict
from tests.conftest import write_dataset
from tests.stress_serve import Clicks, Masks, stress
from tests.test_serve.test_command import post, start

SEQUENCES: tuple[Clicks, ...] = (
    (((13, 12, 9), 1), ((16, 14, 11), 1), ((4, 20, 15), 0)),
    (((10, 10, 8), 1), ((3, 4, 15), 0), ((14, 15, 12), 1)),
)


def main(seconds: float) -> None:
    """Run the clients, and print the figures as JSON."""
    mute()  # standard output is only for the JSON
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        write_dataset(Path("Task98_Balls"), 7)
        preprocess("98", workers=0)
        train(TrainRequest(preset="tiny", epochs=1, device="cpu"))
        Path("imgs").mkdir()
        for number in (2, 3, 7):
            name = f"ball_00{number}.nii.gz"
            shutil.copy(f"Task98_Balls/imagesTr/{name}", f"imgs/{name}")
        masks = expected()
        process, address = start("pass;")
        samples: list[dict[str, float]] = []
        is_over = threading.Event()
        watching = threading.Thread(
            target=watch, args=(process.pid, seconds / 12, samples, is_over)
        )
        watching.start()
        seen = stress(address, masks, seconds)
        is_over.set()
        watching.join()
        free = count_free(address)
        process.terminate()
        out, error = process.communicate(timeout=30)
    answer: dict[str, Any] = {
        "seconds": seconds,
        "answers": dict(sorted(seen.answers.items())),
        "masks_compared": seen.masks,
        "wrong": seen.wrong[:20],
        "sessions_free_at_the_end": free,
        "printed": sorted({line for line in (out + error).splitlines() if line})[:20],
        "has_traceback": "Traceback" in out + error,
        "samples": samples,
    }
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")


def expected() -> Masks:
    """Return promise-predict's masks after each click of each sequence, for each scan that holds all clicks."""
    masks: Masks = {}
    scans = sorted(path.name.removesuffix(".nii.gz") for path in Path("imgs").iterdir())
    for sequence in SEQUENCES:
        for number in range(1, len(sequence) + 1):
            clicks = sequence[:number]
            inside = [scan for scan in scans if fits(scan, sequence)]
            points = [{"xyz": list(point), "label": sign} for point, sign in clicks]
            cases = {scan: {"points": points} for scan in inside}
            content = {"format": "promise-points", "version": 1, "space": "voxel", "cases": cases}
            Path("points.json").write_text(json.dumps(content))
            done = predict("-p", "points.json", "-o", "by_predict", "--overwrite")
            assert done.exit_code == 0, done.output
            for scan in inside:
                masks[scan, clicks] = np.array(mask_of(f"by_predict/{scan}.nii.gz"), np.uint8)
    return masks


def count_free(address: str) -> int:
    """Return how many sessions can still begin. Fewer than 32 mean that clients have left some behind."""
    for number in range(MOST_SESSIONS):
        try:
            post(f"{address}/api/sessions", {"scan": "ball_007"})
        except HTTPError:
            return number
    return MOST_SESSIONS


def fits(scan: str, clicks: Clicks) -> bool:
    """Return whether all clicks lie inside a scan."""
    shape = nib.load(f"imgs/{scan}.nii.gz").shape
    return all(n < most for point, _ in clicks for n, most in zip(point, shape, strict=True))


def watch(
    process: int, every: float, samples: list[dict[str, float]], is_over: threading.Event
) -> None:
    """Note a process' memory in MB, its threads and its open files every few seconds, until the end."""
    began = time.monotonic()
    while not is_over.wait(every):
        status = Path(f"/proc/{process}/status").read_text()
        values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        samples.append(
            {
                "second": round(time.monotonic() - began),
                "memory_mb": int(values["VmRSS"].split()[0]) // 1000,
                "threads": int(values["Threads"]),
                "files": len(list(Path(f"/proc/{process}/fd").iterdir())),
            }
        )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 300)
