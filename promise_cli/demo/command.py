"""Run the four commands on a phantom dataset, as the README shows them; `make demo` calls this.

python -m promise_cli.demo FOLDER
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from promise_cli.console import fail, say, show_table
from promise_cli.demo.phantom import DATASET, write_phantom
from promise_cli.disk.atomic import is_temporary
from promise_cli.disk.records import load_json

MAIN = (
    "promise-preprocess Task99",
    "promise-train --fold 0 --preset tiny",
    "promise-predict --test-cases --fold 0",
    "promise-evaluate",
)
"""Command lines of the demo, in order."""

LOOKALIKE = (
    "promise-predict -i imgs -p points_lookalike.json -o predictions/lookalike",
    "promise-evaluate predictions/lookalike",
)
"""Command lines that predict again with each click on a look-alike, and score these masks with the target's label."""


_CASE = r"phantom_\d{3}"
OURS = f"{DATASET}_fold_0"
"""Name of the folder of the demo's predictions."""
_MASKS = rf"(?:imgs|{OURS}|lookalike)"  # an earlier version of the demo wrote imgs
_SCORES = r"(?:metrics\.(?:json|csv|md)|(?:report|prediction)\.html)"
MADE = re.compile(
    rf"points(?:_lookalike)?\.json|imgs/{_CASE}\.nii\.gz"
    rf"|{DATASET}/(?:dataset\.json|(?:imagesTr|labelsTr)/{_CASE}\.nii\.gz)"
    rf"|\.preprocessing/{DATASET}/(?:locks|measured)/(?:plan|{_CASE}\.(?:case|measure|npz))"
    rf"|preprocessed/{DATASET}/(?:(?:fingerprint|plans|splits)\.json|cases/{_CASE}/\w+\.(?:npy|json))"
    rf"|results/{DATASET}/fold_0/(?:checkpoint_\w+\.pt|config\.json|run\.json|log\.csv|train\.log|progress\.png|\.lock|{_SCORES})"
    rf"|predictions/(?:\.{_MASKS}\.lock.*|{_MASKS}/(?:{_CASE}\.nii\.gz|predictions\.json|{_SCORES}))"
)
"""Pattern of the paths that the demo makes, within its folder. A folder that holds other files is not deleted."""


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
    """Return a file in `folder` that no demo made; None if there is none."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        return folder
    files = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    if files and not (folder / DATASET).exists():
        return files[0]
    others = (
        path
        for path in files
        if not is_temporary(path) and not MADE.fullmatch(path.relative_to(folder).as_posix())
    )
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
            ("on the target", f"{mean_dice(folder / 'predictions' / OURS):.3f}"),
            ("on a look-alike", f"{mean_dice(folder / 'predictions' / 'lookalike'):.3f}"),
        ],
    )
    say(f"slices with outlines: {folder / 'predictions' / OURS / 'report.html'}")
    say(f"learning curve: {folder / 'results' / 'Task99_Phantom' / 'fold_0' / 'progress.png'}")
    say(f"scores: {folder / 'predictions' / OURS / 'metrics.json'} and metrics.csv")
    say(f"the demo took {seconds / 60:.1f} minutes")
