"""promise-preprocess writes all its files, repeats no finished work, and writes nothing for a bad dataset."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from promise_cli.dataset.splits import Splits
from promise_cli.disk.records import load_record
from promise_cli.errors import DatasetError, PlanError, PromiseError
from promise_cli.preprocess.command import preprocess
from tests.conftest import affine_of, edit_json, write_case, write_dataset, write_nifti


def test_every_file_is_there(preprocessed: Path) -> None:
    folder = preprocessed / "preprocessed" / "Task98_Balls"
    assert {path.name for path in folder.iterdir()} == {
        "fingerprint.json",
        "plans.json",
        "splits.json",
        "cases",
    }
    assert {path.name for path in (folder / "cases").iterdir()} == {
        f"ball_{n:03d}" for n in range(1, 7)
    }
    for case in (folder / "cases").iterdir():
        assert {path.name for path in case.iterdir()} == {
            "case.json",
            "foreground.npy",
            "image.npy",
            "target.npy",
        }


def test_the_number_of_workers_changes_nothing(
    dataset: Path, tmp_path: Path, preprocessed: Path
) -> None:
    preprocess(str(dataset), root=tmp_path, workers=2)
    made, expected = (root / "preprocessed" / "Task98_Balls" for root in (tmp_path, preprocessed))
    for path in expected.rglob("*.npy"):
        assert (made / path.relative_to(expected)).read_bytes() == path.read_bytes()
    for name in ("plans.json", "splits.json"):
        assert (made / name).read_text() == (expected / name).read_text()


def test_a_second_run_does_only_what_is_missing_or_changed(dataset: Path, tmp_path: Path) -> None:
    assert preprocess(str(dataset), root=tmp_path, workers=0).num_new == 6
    assert preprocess(str(dataset), root=tmp_path, workers=0).num_new == 0
    cases = tmp_path / "preprocessed" / "Task98_Balls" / "cases"
    shutil.rmtree(cases / "ball_002")
    assert preprocess(str(dataset), root=tmp_path, workers=0).num_new == 1
    label = np.zeros((28, 26, 20), np.uint8)
    label[10:14, 10:14, 10:14] = 1
    write_nifti(
        dataset / "labelsTr" / "ball_003.nii.gz",
        label,
        affine_of("SAL", (1.0, 0.9, 1.5), (30.0, -50.0, 5.0)),
    )
    assert preprocess(str(dataset), root=tmp_path, workers=0).num_new == 1
    assert preprocess(str(dataset), root=tmp_path, workers=0, overwrite=True).num_new == 6


def test_a_plan_edited_by_hand_is_used_and_a_typo_in_it_is_refused(
    dataset: Path, tmp_path: Path
) -> None:
    preprocess(str(dataset), root=tmp_path, workers=0)
    path = tmp_path / "preprocessed" / "Task98_Balls" / "plans.json"
    edit_json(path, lambda plan: plan.update(spacing=[2.0, 2.0, 2.0]))
    done = preprocess(str(dataset), root=tmp_path, workers=0)
    assert done.num_new == 6
    assert np.load(done.folder / "cases" / "ball_001" / "image.npy").shape == (14, 12, 15)
    edit_json(path, lambda plan: plan.update(spaceing=[1, 1, 1]))
    with pytest.raises(
        PlanError, match=r"plans\.json: unknown field 'spaceing'; did you mean 'spacing'\?"
    ):
        preprocess(str(dataset), root=tmp_path, workers=0)


def test_folds_of_the_user_are_kept_if_they_still_fit(dataset: Path, tmp_path: Path) -> None:
    folder = preprocess(str(dataset), root=tmp_path, workers=0).folder
    splits = load_record(Splits, folder / "splits.json")
    edit_json(folder / "splits.json", lambda content: content.update(source="mine"))
    preprocess(str(dataset), root=tmp_path, workers=0)
    assert load_record(Splits, folder / "splits.json") == Splits("mine", splits.folds)


def test_a_bad_case_may_be_skipped_and_is_then_in_no_fold(dataset: Path, tmp_path: Path) -> None:
    _empty_label(dataset)
    done = preprocess(str(dataset), root=tmp_path, workers=0, skip_bad=True)
    folds = load_record(Splits, done.folder / "splits.json").folds
    assert "ball_002" not in {
        case for fold in folds for case in (*fold.train, *fold.val, *fold.test)
    }
    assert not (done.folder / "cases" / "ball_002").exists()
    assert done.num_new == 5


def test_a_case_that_becomes_bad_can_be_skipped_and_is_removed_from_kept_folds(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = preprocess(str(dataset), root=tmp_path, workers=0).folder
    edit_json(folder / "splits.json", lambda content: content.update(source="mine"))
    before = load_record(Splits, folder / "splits.json")
    _empty_label(dataset)
    assert preprocess(str(dataset), root=tmp_path, workers=0, skip_bad=True).num_new == 0
    after = load_record(Splits, folder / "splits.json")
    assert after.source == "mine; left out as bad: ball_002"
    assert after.case_ids == before.case_ids - {"ball_002"}
    assert [set(fold.test) for fold in after.folds] == [
        set(fold.test) - {"ball_002"} for fold in before.folds
    ]
    assert "splits.json: bad cases are removed from its folds: ball_002" in capsys.readouterr().err


def test_a_file_of_folds_may_name_a_case_that_is_skipped(dataset: Path, tmp_path: Path) -> None:
    folder = preprocess(str(dataset), root=tmp_path, workers=0).folder
    mine = tmp_path / "mine.json"
    mine.write_bytes((folder / "splits.json").read_bytes())
    _empty_label(dataset)
    preprocess(str(dataset), root=tmp_path, workers=0, skip_bad=True, splits=mine)
    assert "ball_002" not in load_record(Splits, folder / "splits.json").case_ids


def test_skipped_cases_are_recorded_with_the_reason(dataset: Path, tmp_path: Path) -> None:
    _empty_label(dataset)
    (dataset / "imagesTr" / "ball_005.nii.gz").unlink()
    (dataset / "imagesTr" / "ball_006.nii.gz").rename(dataset / "imagesTr" / "ball_005.nii.gz")
    for number in (7, 8):
        case = write_case(dataset, number)
        entry = {"image": f"imagesTr/{case}.nii.gz", "label": f"labelsTr/{case}.nii.gz"}
        edit_json(dataset / "dataset.json", lambda found, e=entry: found["training"].append(e))
    done = preprocess(str(dataset), root=tmp_path, workers=0, skip_bad=True)
    assert [(one.case_id, one.errors) for one in done.fingerprint.left_out] == [
        ("ball_002", ("labelsTr/ball_002.nii.gz: the label is empty: no voxel of 1 (tumour); correct it, or"
                      " leave the case out with --skip-bad",)),
        ("ball_005", ("labelsTr/ball_005.nii.gz: its corners lie up to 71.6 mm from those of its image (its axes"
                      " point to IPR instead of RSA: was it flipped or turned, or is it of another scan?); export"
                      " the label on the image's grid",)),
        ("ball_006", ("imagesTr/ball_006.nii.gz: no such image, but ball_006.nii.gz is listed as its label; add"
                      " the image or remove the case from dataset.json",)),
    ]  # fmt: skip
    names = ("ball_001", "ball_003", "ball_004", "ball_007", "ball_008")
    assert done.plan.cases == tuple(case.case_id for case in done.fingerprint.cases) == names


def test_arrays_stay_as_stored_where_the_plan_says_so(dataset: Path, tmp_path: Path) -> None:
    folder = preprocess(str(dataset), root=tmp_path, workers=0).folder
    case = folder / "cases" / "ball_002"  # its axes are stored as PIR
    assert np.load(case / "image.npy").shape == (30, 28, 23)
    edit_json(folder / "plans.json", lambda plan: plan.update(orientation="as_stored"))
    assert preprocess(str(dataset), root=tmp_path, workers=0).num_new == 6
    assert np.load(case / "image.npy").shape == (28, 23, 30)
    target, foreground = np.load(case / "target.npy"), np.load(case / "foreground.npy")
    np.testing.assert_array_equal(np.flatnonzero(target), foreground)


def test_another_target_than_the_plans_is_refused(dataset: Path, tmp_path: Path) -> None:
    edit_json(dataset / "dataset.json", lambda content: content["labels"].update({"2": "cyst"}))
    preprocess(str(dataset), root=tmp_path, workers=0)
    with pytest.raises(
        PlanError, match=r"planned for target 1 \(tumour\), asked for cyst; add --overwrite"
    ):
        preprocess(str(dataset), root=tmp_path, workers=0, target_label="cyst")


def _empty_label(dataset: Path) -> None:
    path = dataset / "labelsTr" / "ball_002.nii.gz"
    write_nifti(
        path,
        np.zeros((28, 26, 20), np.uint8),
        affine_of("PIR", (1.0, 0.9, 1.5), (20.0, -50.0, 5.0)),
    )


def _other_shape(dataset: Path) -> None:
    path = dataset / "labelsTr" / "ball_002.nii.gz"
    write_nifti(
        path, np.ones((28, 26, 21), np.uint8), affine_of("PIR", (1.0, 0.9, 1.5), (20.0, -50.0, 5.0))
    )


def _truncate(dataset: Path) -> None:
    path = dataset / "imagesTr" / "ball_002.nii.gz"
    path.write_bytes(path.read_bytes()[:2000])


def _nan(dataset: Path) -> None:
    image = np.zeros((28, 26, 20), np.float32)
    image[3, 4, 5] = np.nan
    write_nifti(
        dataset / "imagesTr" / "ball_002.nii.gz",
        image,
        affine_of("PIR", (1.0, 0.9, 1.5), (20.0, -50.0, 5.0)),
    )


def _no_image(dataset: Path) -> None:
    (dataset / "imagesTr" / "ball_002.nii.gz").unlink()


def _no_json(dataset: Path) -> None:
    (dataset / "dataset.json").unlink()


@pytest.mark.parametrize(
    ("damage", "where", "message"),
    [
        (_empty_label, "labelsTr/ball_002.nii.gz", "the label is empty"),
        (
            _other_shape,
            "labelsTr/ball_002.nii.gz",
            "28 x 26 x 21 voxels, but its image has 28 x 26 x 20",
        ),
        (_truncate, "imagesTr/ball_002.nii.gz", "truncated or damaged"),
        (_nan, "imagesTr/ball_002.nii.gz", "1 voxel is NaN or infinite"),
        (_no_image, "imagesTr/ball_002.nii.gz", "no such image"),
        (_no_json, "", "no dataset.json; expected an MSD folder"),
    ],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_dataset_is_named_and_nothing_is_written(
    dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage,
    where: str,
    message: str,
    workers: int,
) -> None:
    damage(dataset)
    with pytest.raises(PromiseError) as caught:
        preprocess(str(dataset), root=tmp_path, workers=workers)
    if where:
        assert f"  ball_002  error     {where}: {message}" in capsys.readouterr().out
        message = (
            "1 of 6 cases cannot be used (table above); correct it, or leave it out with --skip-bad"
        )
    assert str(caught.value).startswith(f"{dataset}: {message}")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "preprocessed").exists()


def test_several_bad_cases_are_all_named(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _empty_label(dataset)
    label = dataset / "labelsTr" / "ball_004.nii.gz"
    label.write_bytes(b"")
    with pytest.raises(DatasetError, match=r": 2 of 6 cases cannot be used .* --skip-bad$"):
        preprocess(str(dataset), root=tmp_path, workers=0)
    shown = capsys.readouterr().out
    assert all(f"  ball_00{number}  error" in shown for number in (2, 4))


def test_preprocessing_runs_without_torch(tmp_path: Path) -> None:
    write_dataset(tmp_path / "Task98_Balls")
    code = (
        "import sys, pathlib; from promise_cli.preprocess.command import preprocess;"
        f"preprocess('98', root=pathlib.Path({str(tmp_path)!r}), workers=0);"
        "sys.exit(bool({'torch', 'monai', 'torchvision'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode
        == 0
    )


def test_the_disk_space_of_the_cases_is_shown_and_compared_with_what_is_free(
    dataset: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = dataset.parent
    disk = type("Disk", (), {"free": 300_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: disk)
    with pytest.raises(
        DatasetError,
        match=r"Task98_Balls: 6 cases need about 388 kB, but only 300 kB of the disk /",
    ):
        preprocess("98", root=root, workers=0)
    assert not (root / "preprocessed").exists()
    disk.free = 500_000
    preprocess("98", root=root, workers=0)
    assert "disk: 6 cases need about 388 kB; 500 kB of the disk /" in capsys.readouterr().out
    files = (root / "preprocessed").rglob("*.npy")
    assert sum(path.stat().st_size for path in files) == pytest.approx(388_000, rel=0.1)
    disk.free = 0
    preprocess("98", root=root, workers=0)  # nothing is written
    disk.free = 90_000  # each case takes the place of its earlier files
    preprocess("98", root=root, workers=0, overwrite=True)
