"""The four commands run on a small dataset as the README shows them."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.conftest import write_dataset


def _type(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    name, *arguments = line.split()
    program = Path(sys.executable).with_name(name)
    return subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.slow(seconds=17)
def test_the_four_commands_leave_a_network_masks_and_scores(tmp_path: Path) -> None:
    write_dataset(tmp_path / "Task98_Balls")
    clicks = {}
    for label in (tmp_path / "Task98_Balls" / "labelsTr").iterdir():
        voxels = np.argwhere(np.asanyarray(nib.load(label).dataobj))
        clicks[label.name] = voxels[len(voxels) // 2].tolist()
    (tmp_path / "points.json").write_text(json.dumps(clicks))
    (tmp_path / "imgs").symlink_to(tmp_path / "Task98_Balls" / "imagesTr")
    for line in (
        "promise-preprocess Task98",
        "promise-train --fold 0 --preset tiny --epochs 1",
        "promise-predict -i imgs -p points.json",
        "promise-evaluate",
    ):
        done = _type(tmp_path, line)
        assert done.returncode == 0, done.stderr
        # After one epoch some masks miss their click; no other warning is allowed.
        assert all(line.startswith("warning: ball_") for line in done.stderr.splitlines())
    left = {str(path.relative_to(tmp_path)) for path in (tmp_path / "results").rglob("[!.]*.*")}
    run = "results/Task98_Balls/fold_0"
    assert left == {
        f"{run}/{name}"
        for name in (
            "checkpoint_best.pt",
            "checkpoint_last.pt",
            "config.json",
            "log.csv",
            "metrics.csv",
            "metrics.json",
            "metrics.md",
            "progress.png",
            "run.json",
            "train.log",
        )
    }
    predictions = tmp_path / "predictions" / "imgs"
    assert {path.name for path in predictions.iterdir()} == {
        f"ball_00{n}.nii.gz" for n in range(1, 7)
    } | {
        "predictions.json",
        "metrics.json",
        "metrics.csv",
        "metrics.md",
        "report.html",
    }
    metrics = json.loads((predictions / "metrics.json").read_text())
    assert metrics["protocol"] == "promise"
    assert metrics["tolerances_mm"] == [5.0]
    assert [case["case_id"] for case in metrics["cases"]] == [f"ball_00{n}" for n in range(1, 7)]
    for case in metrics["cases"]:
        mask = np.asanyarray(nib.load(predictions / f"{case['case_id']}.nii.gz").dataobj)
        label = tmp_path / "Task98_Balls" / "labelsTr" / f"{case['case_id']}.nii.gz"
        truth = np.asanyarray(nib.load(label).dataobj)
        expected = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
        assert abs(case["dice"] - expected) < 1e-9
        assert 0 <= case["nsd"]["5.0"] <= 1
