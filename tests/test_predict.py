"""promise-predict takes scans and clicks, and writes masks on the scans' own grids and a record."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.disk.records import load_record
from promise_cli.errors import PromiseError, PromptError, WorkspaceError
from promise_cli.predict import predict
from promise_cli.predictions.record import Failures, Predictions
from tests.conftest import RUN


def _workspace(trained: Path, tmp_path: Path, clicks: dict) -> tuple[Path, Path, Path]:
    root = tmp_path / "workspace"
    shutil.copytree(trained, root)
    points = tmp_path / "points.json"
    points.write_text(json.dumps(clicks))
    return root, root / "Task98_Balls" / "imagesTr", points


def test_masks_lie_on_the_scans_grids_and_the_record_holds_clicks_and_volumes(
    trained: Path, tmp_path: Path
) -> None:
    root, images, points = _workspace(
        trained, tmp_path, {"ball_001": [14, 13, 10], "ball_007": [1, 2, 3]}
    )
    shutil.copy(images / "ball_002.nii.gz", images / "ball_007_0000.nii.gz")
    assert predict(images, points, root=root, device="cpu")
    folder = root / "predictions" / "imagesTr"
    assert {p.name for p in folder.iterdir()} == {
        "ball_001.nii.gz",
        "ball_007.nii.gz",
        "predictions.json",
    }
    record = load_record(Predictions, folder / "predictions.json")
    assert (record.dataset, record.target_label, record.labels) == (
        "Task98_Balls",
        1,
        "Task98_Balls/labelsTr",
    )
    assert record.without_click == ("ball_002", "ball_003", "ball_004", "ball_005", "ball_006")
    case = record.cases[0]
    scan, mask = nib.load(images / "ball_001.nii.gz"), nib.load(folder / "ball_001.nii.gz")
    array = np.asanyarray(mask.dataobj)
    assert array.dtype == np.uint8
    assert array.shape == scan.shape
    np.testing.assert_allclose(mask.affine, scan.affine, atol=1e-6)
    (click,) = case.clicks
    assert click.voxel == (14, 13, 10)
    assert click.intensity == np.asanyarray(scan.dataobj)[14, 13, 10]
    np.testing.assert_allclose(
        click.ras_mm, nib.affines.apply_affine(scan.affine, (14, 13, 10)), atol=1e-3
    )
    np.testing.assert_allclose(click.lps_mm, np.array(click.ras_mm) * (-1, -1, 1))
    assert click.in_mask == bool(array[14, 13, 10])
    assert case.num_voxels == array.sum()
    assert case.volume_ml == pytest.approx(array.sum() * 1.35 / 1000, abs=1e-4)


def test_one_scan_alone_is_predicted_too(trained: Path, tmp_path: Path) -> None:
    root, images, points = _workspace(trained, tmp_path, {"ball_001": [14, 13, 10]})
    assert predict(
        images / "ball_001.nii.gz", points, root=root, output=tmp_path / "out", device="cpu"
    )
    assert (tmp_path / "out" / "ball_001.nii.gz").exists()


def test_a_scan_in_micrometres_gets_the_same_mask_with_its_own_header(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, images, points = _workspace(trained, tmp_path, {"ball_001": [14, 13, 10]})
    scan = images / "ball_001.nii.gz"
    assert predict(scan, points, root=root, output=tmp_path / "mm", device="cpu")
    assert "the header's unit" not in capsys.readouterr().err
    image = nib.load(scan)
    affine = np.diag([1000, 1000, 1000, 1]) @ image.affine
    small = nib.Nifti1Image(np.asanyarray(image.dataobj), affine)
    small.header.set_xyzt_units("micron")
    nib.save(small, scan)
    assert predict(scan, points, root=root, output=tmp_path / "um", device="cpu")
    assert "warning: ball_001: the header's unit is um; its numbers" in capsys.readouterr().err
    masks = [nib.load(tmp_path / name / "ball_001.nii.gz") for name in ("mm", "um")]
    np.testing.assert_array_equal(*[np.asanyarray(mask.dataobj) for mask in masks])
    np.testing.assert_allclose(masks[1].affine, affine, rtol=1e-6)
    assert masks[1].header.get_xyzt_units()[0] == "micron"
    records = [load_record(Predictions, tmp_path / n / "predictions.json") for n in ("mm", "um")]
    volumes = [record.cases[0].volume_ml for record in records]
    assert volumes[1] == pytest.approx(volumes[0], rel=1e-4)


def test_one_bad_case_does_not_stop_the_others(trained: Path, tmp_path: Path) -> None:
    clicks = {f"ball_00{n}": [14, 13, 10] for n in (1, 2, 3)} | {
        "ball_004": [99, 0, 0],
        "ball_9": [1, 1, 1],
    }
    root, images, points = _workspace(trained, tmp_path, clicks)
    truncated = images / "ball_002.nii.gz"
    truncated.write_bytes(truncated.read_bytes()[:2000])
    assert not predict(images, points, root=root, device="cpu")
    folder = root / "predictions" / "imagesTr"
    assert {p.name for p in folder.glob("*.nii.gz")} == {"ball_001.nii.gz", "ball_003.nii.gz"}
    reasons = {
        f.case_id: f.reason for f in load_record(Failures, folder / "failures.json").failures
    }
    assert set(reasons) == {"ball_002", "ball_004", "ball_9", "ball_005", "ball_006"}
    assert "truncated or damaged" in reasons["ball_002"]
    assert "click (99, 0, 0) lies outside the scan of" in reasons["ball_004"]
    assert "case ball_9 has no scan in" in reasons["ball_9"]
    assert f"{points}: no click for {images / 'ball_005.nii.gz'}; add one" in reasons["ball_005"]


@pytest.mark.parametrize(
    ("clicks", "message"),
    [
        (
            {"ball_001": [28, 0, 0]},
            r"case ball_001: click \(28, 0, 0\) lies outside the scan of 28 x 26 x 20 voxels",
        ),
        ({"ball_01": [1, 1, 1]}, r"case ball_01 has no scan in .*; nearest names: ball_001"),
    ],
)
def test_nothing_is_written_where_no_case_can_be_predicted(
    trained: Path, tmp_path: Path, clicks: dict, message: str
) -> None:
    root, images, points = _workspace(trained, tmp_path, clicks)
    with pytest.raises(PromptError, match=message):
        predict(images, points, root=root, device="cpu")
    assert not (root / "predictions").exists()


def test_missing_networks_scans_clicks_and_folds_are_named(
    trained: Path, tmp_path: Path, preprocessed: Path
) -> None:
    root, images, points = _workspace(trained, tmp_path, {"ball_001": [1, 1, 1]})
    with pytest.raises(
        WorkspaceError, match="no such run or checkpoint; run promise-train --fold 0 first"
    ):
        predict(images, points, root=preprocessed, device="cpu")
    with pytest.raises(PromptError, match="none: no such scan or folder"):
        predict(tmp_path / "none", points, root=root, device="cpu")
    with pytest.raises(PromptError, match=r"none\.json: no such file"):
        predict(images, tmp_path / "none.json", root=root, device="cpu")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(
        PromptError, match=r"empty: no scan in this folder; scans end in \.nii\.gz, \.nii, "
    ):
        predict(empty, points, root=root, device="cpu")
    with pytest.raises(PromiseError, match="no checkpoint of fold 3; trained so far: fold_0"):
        predict(images, points, root=root, folds=(3,), device="cpu")


def test_several_folds_are_recorded(trained: Path, tmp_path: Path) -> None:
    root, images, points = _workspace(trained, tmp_path, {"ball_001": [14, 13, 10]})
    shutil.copytree(root / RUN, root / RUN.with_name("fold_1"))
    assert predict(images, points, root=root, folds=(0, 1), device="cpu", output=tmp_path / "both")
    assert len(load_record(Predictions, tmp_path / "both" / "predictions.json").checkpoints) == 2


def test_neither_scan_nor_label_is_ever_overwritten(trained: Path, tmp_path: Path) -> None:
    root, images, points = _workspace(trained, tmp_path, {"ball_001": [14, 13, 10]})
    before = {path: path.read_bytes() for path in root.rglob("*.nii.gz")}
    with pytest.raises(PromptError, match=r"ball_001\.nii\.gz: a mask would replace this scan"):
        predict(images, points, root=root, output=images, device="cpu")
    with pytest.raises(
        WorkspaceError,
        match=r"labelsTr/ball_001\.nii\.gz: exists already, and was not written by",
    ):
        predict(images, points, root=root, output=images.with_name("labelsTr"), device="cpu")
    assert {path: path.read_bytes() for path in root.rglob("*.nii.gz")} == before


def test_a_case_that_fails_now_is_no_longer_listed_and_old_scores_are_removed(
    trained: Path, tmp_path: Path
) -> None:
    root, images, points = _workspace(
        trained, tmp_path, {"ball_001": [14, 13, 10], "ball_003": [14, 13, 10]}
    )
    folder = root / "predictions" / "imagesTr"
    assert predict(images, points, root=root, device="cpu")
    (folder / "metrics.json").write_text('{"tool": "promise_cli 0"}')
    points.write_text(json.dumps({"ball_001": [99, 0, 0], "ball_002": [14, 13, 10]}))
    assert not predict(images, points, root=root, device="cpu")
    record = load_record(Predictions, folder / "predictions.json")
    assert [case.case_id for case in record.cases] == ["ball_003", "ball_002"]
    assert "ball_003" not in record.without_click
    assert not (folder / "metrics.json").exists()


def test_one_scan_uses_only_its_own_clicks_from_a_file_of_many_cases(
    trained: Path, tmp_path: Path
) -> None:
    root, images, points = _workspace(
        trained, tmp_path, {f"ball_00{n}": [14, 13, 10] for n in (1, 2, 3)}
    )
    assert predict(images / "ball_002.nii.gz", points, root=root, device="cpu")
    record = load_record(Predictions, root / "predictions" / "ball_002" / "predictions.json")
    assert [case.case_id for case in record.cases] == ["ball_002"]


def test_a_second_call_adds_its_cases_to_the_existing_ones(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, images, points = _workspace(trained, tmp_path, {"ball_001": [14, 13, 10]})
    listed = []
    for case in ("ball_001", "ball_002", "ball_001"):
        points.write_text(json.dumps({case: [14, 13, 10]}))
        assert predict(images, points, root=root, device="cpu")
        record = load_record(Predictions, root / "predictions" / "imagesTr" / "predictions.json")
        listed.append([case.case_id for case in record.cases])
    assert listed == [["ball_001"], ["ball_001", "ball_002"], ["ball_002", "ball_001"]]
    (root / RUN / "checkpoint_best.pt").touch()
    with pytest.raises(PromptError, match=r"holds masks that were made before .* was last written"):
        predict(images, points, root=root, device="cpu")
    assert predict(images, points, root=root, device="cpu", overwrite=True)
    record = load_record(Predictions, root / "predictions" / "imagesTr" / "predictions.json")
    assert [case.case_id for case in record.cases] == ["ball_001"]
    assert (
        "1 mask of another network will no longer be listed in predictions.json, such as ball_002.nii.gz"
        in capsys.readouterr().err
    )
