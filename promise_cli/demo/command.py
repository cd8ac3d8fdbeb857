"""Run the four commands on a phantom dataset, as the README shows them; `make demo` calls this.

python -m promise_cli.demo FOLDER
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from promise_cli.console import fail, say, show_table
from promise_cli.demo.phantom import DATASET, write_phantom
from promise_cli.disk.records import load_json

MAIN = (
    "promise-preprocess Task99",
    "promise-train --fold 0 --preset tiny",
    "promise-predict -i imgs -p points.json",
    "promise-evaluate",
)
"""Command lines of the demo, in order."""

LOOKALIKE = (
    "promise-predict -i imgs -p points_lookalike.json -o predictions/lookalike",
    "promise-evaluate predictions/lookalike",
)
"""Command lines that predict again with each click on a look-alike, and score these masks with the target's label."""


CONTENT = {
    "": {DATASET, "imgs", "points.json", "points_lookalike.json", "preprocessed", "results"}
    | {"predictions"},
    "preprocessed": {DATASET},
    "results": {DATASET},
    f"results/{DATASET}": {"fold_0"},
    "predictions": {"imgs", "lookalike"},
}
"""Names that the demo makes, by the folder that holds them. Hidden names do not count. A folder with other
names is not deleted."""


def main(folder: Path) -> int:
    """Run the demo in `folder`, and return an exit status.

    The files of an earlier demo in this folder are deleted. A folder with other files is refused.
    """
    foreign = _foreign(folder)
    if foreign is not None:
        fail(f"{foreign}: was not made by the demo, which would delete it; give another folder")
        return 1
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say(f"The phantom: CT-like scans with one target among look-alikes, in {folder}/Task99_Phantom")
    write_phantom(folder)
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    environment.pop("PROMISE_ROOT", None)
    for command in (*MAIN, *LOOKALIKE):
        say("")
        say(f"$ {command}")
        if command == LOOKALIKE[-1]:
            say("(Here the clicks lie outside the label on purpose, so a warning follows.)")
        sys.stdout.flush()
        status = subprocess.run(
            command.split(), cwd=folder, env=environment, check=False
        ).returncode
        if status:
            fail(f"{command}: exit status {status}")
            return status
    _show(folder, time.monotonic() - started)
    return 0


def _foreign(folder: Path) -> Path | None:
    """Return a file or folder in `folder` that no demo made; None if there is none."""
    for place, names in CONTENT.items():
        there = folder / place
        found = sorted(there.glob("[!.]*")) if there.is_dir() else []
        if not place and found and not (folder / DATASET).exists():
            return found[0]
        for path in found:
            if path.name not in names:
                return path
    others = (path for path in folder.glob("imgs/[!.]*") if not path.name.startswith("phantom_"))
    return next(others, None)


def mean_dice(predictions: Path) -> float:
    """Return the mean Dice over the cases in the metrics.json of a folder of predictions."""
    return float(
        np.mean([case["dice"] for case in load_json(predictions / "metrics.json")["cases"]])
    )


def _show(folder: Path, seconds: float) -> None:
    """Show the two mean Dice values of the demo, and the paths of its results."""
    say("")
    say("Mean Dice against the target's label over fold 0's test cases:")
    show_table(
        "",
        ("one click", "Dice"),
        [
            ("on the target", f"{mean_dice(folder / 'predictions' / 'imgs'):.3f}"),
            ("on a look-alike", f"{mean_dice(folder / 'predictions' / 'lookalike'):.3f}"),
        ],
    )
    say(f"slices with outlines: {folder / 'predictions' / 'imgs' / 'report.html'}")
    say(f"learning curve: {folder / 'results' / 'Task99_Phantom' / 'fold_0' / 'progress.png'}")
    say(f"scores: {folder / 'predictions' / 'imgs' / 'metrics.json'} and metrics.csv")
    say(f"the demo took {seconds / 60:.1f} minutes")
