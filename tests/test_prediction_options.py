"""What promise-predict's options write and print, with a network that outlines what is bright."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app, predict_app
from promise_cli.disk.records import load_record
from promise_cli.predictions.record import Failures, Predictions
from promise_cli.scores.metrics import dice
from promise_cli.volume import read_label
from tests.balls import centre, label, mask_of, predict
from tests.conftest import RUN


@pytest.mark.usefixtures("balls")
def test_balls_are_found_and_a_second_call_repeats_only_what_changed() -> None:
    done = predict("-p", "points.json")
    assert done.exit_code == 0, done.stderr
    for number in range(1, 7):
        assert dice(mask_of(f"predictions/imgs/ball_00{number}.nii.gz") > 0, label(number)) > 0.8
    first = {path: path.stat().st_mtime_ns for path in Path("predictions/imgs").glob("*.nii.gz")}
    Path("predictions/imgs/metrics.json").write_text('{"tool": "promise_cli 0"}')
    Path("predictions/imgs/metrics.csv").write_text("mine")
    again = predict("-p", "points.json")
    assert again.exit_code == 0
    assert "6 cases were finished before with the same clicks and are kept" in again.stdout
    assert Path("predictions/imgs/metrics.json").exists()
    assert {path: path.stat().st_mtime_ns for path in first} == first
    clicks = json.loads(Path("points.json").read_text()) | {"ball_002": [1, 1, 1]}
    Path("points.json").write_text(json.dumps(clicks))
    predict("-p", "points.json")
    changed = [path.name for path in first if path.stat().st_mtime_ns != first[path]]
    assert changed == ["ball_002.nii.gz"]
    assert not Path("predictions/imgs/metrics.json").exists()
    assert Path("predictions/imgs/metrics.csv").read_text() == "mine"
    predict("-p", "points.json", "--overwrite")
    assert all(path.stat().st_mtime_ns != first[path] for path in first)


@pytest.mark.usefixtures("balls")
def test_of_six_scans_three_fail_with_a_reason_and_three_are_predicted() -> None:
    clicks = json.loads(Path("points.json").read_text())
    clicks["ball_002"] = [28, 13, 10]
    del clicks["ball_003"]
    Path("points.json").write_text(json.dumps(clicks))
    truncated = Path("imgs/ball_001.nii.gz")
    truncated.write_bytes(truncated.read_bytes()[:3000])
    done = predict("-p", "points.json")
    assert done.exit_code == 1
    folder = Path("predictions/imgs")
    assert {p.name for p in folder.glob("*.nii.gz")} == {f"ball_00{n}.nii.gz" for n in (4, 5, 6)}
    reasons = load_record(Failures, folder / "failures.json").failures
    assert {failure.case_id: failure.reason.partition(";")[0] for failure in reasons} == {
        "ball_001": reasons[1].reason.partition(";")[0],
        "ball_002": "points.json: case ball_002: click (28, 13, 10) lies outside the scan of 28 x 26 x 20 voxels",
        "ball_003": "points.json: no click for imgs/ball_003.nii.gz",
    }
    assert reasons[1].reason.startswith("imgs/ball_001.nii.gz: truncated or damaged")
    assert "Traceback" not in done.output
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 2


@pytest.mark.usefixtures("balls")
def test_shards_share_the_cases_and_leave_one_record() -> None:
    clicks = json.loads(Path("points.json").read_text()) | {"ball_004": [99, 0, 0]}
    Path("points.json").write_text(json.dumps(clicks))
    shards = [predict("-p", "points.json", "--shard", f"{part}/3") for part in (3, 1, 2)]
    assert [done.exit_code for done in shards] == [0, 1, 0]
    record = load_record(Predictions, Path("predictions/imgs/predictions.json"))
    assert sorted(case.case_id for case in record.cases) == [f"ball_00{n}" for n in (1, 2, 3, 5, 6)]
    failures = load_record(Failures, Path("predictions/imgs/failures.json"))
    assert [failure.case_id for failure in failures.failures] == ["ball_004"]
    assert predict("-p", "points.json", "--shard", "9/9").exit_code == 0
    for wrong in ("0/3", "4/3", "1", "a/b"):
        assert predict("-p", "points.json", "--shard", wrong).exit_code == 1


SHARDS = """
import os, sys
import promise_cli.predict.command  # loads torch once for all three
from promise_cli.cli import predict_app
children = []
for part in (1, 2, 3):
    child = os.fork()
    if child == 0:
        predict_app([*sys.argv[1:], f"{part}/3"])  # ends the process
    children.append(child)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


@pytest.mark.usefixtures("balls")
@pytest.mark.slow
def test_shards_that_run_at_the_same_time_lose_no_case() -> None:
    line = [sys.executable, "-c", SHARDS, "-i", "imgs", "-p", "points.json", "--device", "cpu"]
    path = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(
        [*line, "--shard"],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0
    record = load_record(Predictions, Path("predictions/imgs/predictions.json"))
    assert sorted(case.case_id for case in record.cases) == [f"ball_00{n}" for n in range(1, 7)]


@pytest.mark.usefixtures("balls")
def test_probabilities_lie_on_the_scans_grid_and_agree_with_the_mask() -> None:
    assert predict("-p", "points.json", "--save-prob").exit_code == 0
    scan = nib.load("imgs/ball_005.nii.gz")
    found = nib.load("predictions/imgs/probabilities/ball_005.nii.gz")
    assert found.get_data_dtype() == np.float32
    np.testing.assert_allclose(found.affine, scan.affine, atol=1e-6)
    np.testing.assert_array_equal(found.get_sform(), scan.get_sform())
    probability = found.get_fdata()
    assert 0 <= probability.min() <= probability.max() <= 1
    np.testing.assert_array_equal(
        probability > 0.5, mask_of("predictions/imgs/ball_005.nii.gz") > 0
    )


@pytest.mark.usefixtures("balls")
def test_two_lesions_have_their_own_values_and_are_scored_as_one_target() -> None:
    first, second = centre(1), [2, 2, 2]
    objects = [
        {"name": "ball", "value": 3, "points": [first]},
        {"name": "corner", "value": 7, "points": [second]},
    ]
    content = {
        "format": "promise-points",
        "version": 1,
        "cases": {"ball_001": {"objects": objects}},
    }
    Path("points.json").write_text(json.dumps(content))
    assert predict("-p", "points.json").exit_code == 0
    mask = mask_of("predictions/imgs/ball_001.nii.gz")
    assert set(np.unique(mask)) <= {0, 3, 7}
    (case,) = load_record(Predictions, Path("predictions/imgs/predictions.json")).cases
    assert [(lesion.value, lesion.name) for lesion in case.lesions] == [(3, "ball"), (7, "corner")]
    assert case.num_voxels == (mask > 0).sum() > 100
    done = CliRunner().invoke(evaluate_app, [])
    assert done.exit_code == 0, done.stderr
    (score,) = json.loads(Path("predictions/imgs/metrics.json").read_text())["cases"]
    assert score["dice"] == pytest.approx(dice(mask > 0, label(1)))


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii"])
@pytest.mark.usefixtures("balls")
def test_masks_may_have_the_scans_own_format(suffix: str) -> None:
    path = Path(f"other/scan{suffix}")
    path.parent.mkdir()
    sitk.WriteImage(sitk.ReadImage("imgs/ball_003.nii.gz"), str(path))
    i, j, k = centre(3)
    line = ["-i", path.parent, "--device", "cpu", "--point", i, j, k, "--same-format"]
    done = CliRunner().invoke(predict_app, [str(item) for item in line])
    assert done.exit_code == 0, done.stderr
    mask = read_label(Path(f"predictions/other/scan{suffix}"), "as_stored")
    assert mask.array.dtype == np.uint8
    assert dice(mask.array > 0, label(3)) > 0.8
    assert (
        mask.stored_grid.distance_mm(
            read_label(Path("Task98_Balls/labelsTr/ball_003.nii.gz"), "as_stored").grid
        )
        < 1e-3
    )


@pytest.mark.usefixtures("balls")
def test_auto_predicts_whole_scans_without_clicks() -> None:
    done = predict("--auto")
    assert done.exit_code == 0, done.stderr
    for number in range(1, 7):
        assert dice(mask_of(f"predictions/imgs/ball_00{number}.nii.gz") > 0, label(number)) > 0.8
    record = load_record(Predictions, Path("predictions/imgs/predictions.json"))
    assert all(case.clicks == () for case in record.cases)


@pytest.mark.usefixtures("balls")
def test_mirroring_folds_and_a_single_window_are_recorded() -> None:
    shutil.copytree(RUN, RUN.with_name("fold_1"))
    Path("points.json").write_text(json.dumps({"ball_001": centre(1)}))
    done = predict("-p", "points.json", "-f", "0", "1", "--tta", "--single-window")
    assert done.exit_code == 0, done.stderr
    record = load_record(Predictions, Path("predictions/imgs/predictions.json"))
    assert (record.tta, record.max_windows, len(record.checkpoints)) == (True, 1, 2)
    assert dice(mask_of("predictions/imgs/ball_001.nii.gz") > 0, label(1)) > 0.8


def test_two_clicks_outside_a_single_window_between_them_are_refused(balls: Path) -> None:
    image = np.zeros((120, 30, 30), np.int16)
    (balls / "wide").mkdir()
    nib.save(nib.Nifti1Image(image, np.eye(4)), balls / "wide" / "a.nii")
    line = ["-i", "wide", "--device", "cpu", "--point", "5", "5", "5", "110", "5", "5"]
    done = CliRunner().invoke(predict_app, [*line, "--single-window"])
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        "error: --point: case a: all 2 clicks lie outside the single window, which is placed between them; leave out"
        " --single-window, or give one click"
    )
    assert CliRunner().invoke(predict_app, line).exit_code == 0
