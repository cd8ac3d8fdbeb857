"""promise-train warns of scans and labels that were replaced after they were preprocessed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import pytest

from promise_cli.dataset.changed import changed_files
from promise_cli.dataset.splits import Splits
from promise_cli.disk.records import load_record
from tests.conftest import DATASET
from tests.test_train.runs import copy_workspace, train_balls

CASES = [f"ball_00{number}" for number in range(1, 7)]


def change_scan(root: Path, case: str) -> Path:
    path = root / f"Task98_Balls/imagesTr/{case}.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(image.get_fdata() + 1, image.affine), path)
    return path


def set_time_back(path: Path) -> None:
    os.utime(path, (1, 1))


@pytest.mark.parametrize("after", [Path.touch, set_time_back])
def test_a_scan_replaced_after_preprocessing_is_found(
    preprocessed: Path, tmp_path: Path, after: Callable
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    path = change_scan(root, "ball_002")
    after(path)
    found = changed_files(root / DATASET, root, CASES)
    assert [(change.case_id, change.path) for change in found] == [("ball_002", path)]


def test_a_label_replaced_after_preprocessing_is_found(preprocessed: Path, tmp_path: Path) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    labels = root / "Task98_Balls/labelsTr"
    shutil.copy(labels / "ball_001.nii.gz", labels / "ball_004.nii.gz")
    (change,) = changed_files(root / DATASET, root, CASES)
    assert change.path == labels / "ball_004.nii.gz"


def test_files_that_are_only_touched_copied_or_missing_have_not_changed(
    preprocessed: Path, tmp_path: Path
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    (root / "Task98_Balls/imagesTr/ball_001.nii.gz").touch()
    (root / "Task98_Balls/imagesTr/ball_002.nii.gz").unlink()
    assert changed_files(root / DATASET, root, CASES) == []
    shutil.rmtree(root / "Task98_Balls")
    assert changed_files(root / DATASET, root, CASES) == []


def test_only_files_newer_than_their_case_are_read(
    preprocessed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    for path in (root / DATASET / "cases").glob("*/case.json"):
        os.utime(path, (4e9, 4e9))
    hashed: list[list[Path]] = []
    monkeypatch.setattr("promise_cli.dataset.changed.hash_files", hashed.append)
    assert changed_files(root / DATASET, root, CASES) == []
    assert hashed == []


def test_training_on_replaced_scans_warns_in_one_line(
    preprocessed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("promise_cli.train.command._work", lambda *_: None)
    monkeypatch.setattr("promise_cli.train.command._score", lambda *_: None)
    root = copy_workspace(preprocessed, tmp_path)
    train_balls(root)
    assert "was changed" not in capsys.readouterr().err
    split = load_record(Splits, root / DATASET / "splits.json").folds[0]
    first, second = split.train[0], split.test[0]
    path = change_scan(root, first)
    change_scan(root, second)
    train_balls(root)
    assert (
        f"warning: {path}: was changed after case {first} was preprocessed, as were files of 1 more case; this run uses"
        " the earlier content, so run promise-preprocess Task98_Balls again and train anew with --overwrite\n"
    ) in capsys.readouterr().err
