"""Predicting again in a folder after a killed call, after damage, and with the network's path written differently."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.disk.records import load_record
from promise_cli.errors import PromptError
from promise_cli.predict import predict
from promise_cli.predict.earlier import _as_keyed
from promise_cli.predictions.record import Failures, Predictions
from promise_cli.prompts import BACKGROUND, Click, Lesion
from tests.conftest import RUN, write_nifti

KILLED_AFTER_THE_FIRST_MASK = """
import os, signal, sys
from pathlib import Path
from promise_cli.predict import cases, predict
written = cases._check_written
def check_and_die(*given):
    written(*given)
    os.kill(os.getpid(), signal.SIGKILL)
cases._check_written = check_and_die
predict(Path(sys.argv[1]), Path(sys.argv[2]), root=Path(sys.argv[3]), device="cpu")
"""


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """Make a workspace; return its root, its folder of scans, and a file of clicks on two of them."""
    root = tmp_path / "workspace"
    shutil.copytree(trained, root)
    points = tmp_path / "points.json"
    points.write_text(json.dumps({"ball_001": [14, 13, 10], "ball_002": [14, 13, 10]}))
    return root, root / "Task98_Balls" / "imagesTr", points


def _record(root: Path) -> Predictions:
    return load_record(Predictions, root / "predictions" / "imagesTr" / "predictions.json")


@pytest.mark.slow
def test_a_call_continues_after_a_kill_that_left_one_mask(place: tuple[Path, Path, Path]) -> None:
    root, images, points = place
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_THE_FIRST_MASK, *map(str, (images, points, root))],
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (root / "predictions" / "imagesTr" / "ball_001.nii.gz").exists()
    assert predict(images, points, root=root, device="cpu")
    assert [case.case_id for case in _record(root).cases] == ["ball_001", "ball_002"]


def test_a_mask_that_was_emptied_is_made_again(place: tuple[Path, Path, Path]) -> None:
    root, images, points = place
    predict(images, points, root=root, device="cpu")
    mask = root / "predictions" / "imagesTr" / "ball_001.nii.gz"
    before = np.asanyarray(nib.load(mask).dataobj).copy()
    mask.write_bytes(b"")
    predict(images, points, root=root, device="cpu")
    np.testing.assert_array_equal(np.asanyarray(nib.load(mask).dataobj), before)


def test_a_network_given_by_another_path_counts_as_the_same(
    place: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    root, images, points = place
    predict(images, points, root=root, device="cpu")
    monkeypatch.chdir(root)
    other = points.with_name("other.json")
    other.write_text(json.dumps({"ball_003": [14, 13, 10]}))
    predict(Path("Task98_Balls/imagesTr"), other, root=Path(), device="cpu")
    assert "of another network" not in capsys.readouterr().err
    assert {case.case_id for case in _record(root).cases} == {"ball_001", "ball_002", "ball_003"}


def test_failures_are_recorded_in_an_existing_folder_where_all_cases_fail(
    place: tuple[Path, Path, Path],
) -> None:
    root, images, points = place
    predict(images, points, root=root, device="cpu")
    points.write_text(json.dumps({"ball_001": [999, 13, 10]}))
    with pytest.raises(PromptError, match=r"click \(999, 13, 10\) lies outside the scan of 28 x"):
        predict(images, points, root=root, device="cpu")
    path = root / "predictions" / "imagesTr" / "failures.json"
    assert [failure.case_id for failure in load_record(Failures, path).failures] == ["ball_001"]


def test_an_output_that_cannot_be_a_folder_is_refused_before_predicting(
    place: tuple[Path, Path, Path],
) -> None:
    root, images, points = place
    (root / "file").write_text("")
    with pytest.raises(PromptError) as caught:
        predict(images, points, root=root, output=root / "file" / "x", device="cpu")
    assert str(caught.value) == (
        f"{root}/file/x: masks cannot be written there, because {root}/file is not a writable folder; give another"
        " folder with -o"
    )


def test_the_volume_of_a_mask_accounts_for_sheared_axes(
    place: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    root, _, points = place
    affine = np.array([[1, 0, 0.6, 0], [0, 1, 0, 0], [0, 0, 0.8, 0], [0, 0, 0, 1.0]])
    image = np.random.default_rng(0).normal(50, 20, (30, 30, 30)).astype(np.int16)
    scan = write_nifti(tmp_path / "ball_001.nii.gz", image, affine)
    predict(scan, points, root=root, output=tmp_path / "out", run_dir=root / RUN, device="cpu")
    (case,) = load_record(Predictions, tmp_path / "out" / "predictions.json").cases
    assert case.volume_ml == pytest.approx(0.8 * case.num_voxels / 1000, abs=1e-3)


def test_a_scan_of_an_impossible_size_does_not_stop_the_others(
    place: tuple[Path, Path, Path],
) -> None:
    root, images, points = place
    header = "NDims = 3\nDimSize = 99999 9 9\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    path = images / "big.mha"
    path.write_bytes(header.encode())
    os.truncate(path, 17_000_000)
    points.write_text(json.dumps({"ball_001": [14, 13, 10], "big": [1, 1, 1]}))
    assert not predict(images, points, root=root, device="cpu")
    assert [case.case_id for case in _record(root).cases] == ["ball_001"]
    (failure,) = [
        failure
        for failure in load_record(
            Failures, root / "predictions" / "imagesTr" / "failures.json"
        ).failures
        if failure.case_id == "big"
    ]
    assert failure.reason == (
        f"{path}: 99999 x 9 x 9 voxels, but an axis has at most 32767; repair the header"
    )


def test_keys_of_masks_do_not_change_when_a_field_of_a_click_is_renamed() -> None:
    click = Click((1, 2, 3), BACKGROUND, "RAS", Lesion(2, "box", 1, "7"))
    lesion = {"value": 2, "name": "box", "number": 1}
    expected = {"point": [1, 2, 3], "label": 0, "space": "RAS", "lesion": lesion}
    assert json.dumps(_as_keyed(click, with_hint=False)) == json.dumps(expected)
    expected["lesion"] = lesion | {"said": "7"}
    assert json.dumps(_as_keyed(click, with_hint=True)) == json.dumps(expected)
