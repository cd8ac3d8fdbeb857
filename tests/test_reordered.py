"""A mask or label file whose axes are stored in another order, with a matching affine, is read as the same mask."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app
from promise_cli.evaluate.command import evaluate
from promise_cli.preprocess.command import preprocess
from tests.balls import predict
from tests.boxes import AFFINE, box
from tests.conftest import OBLIQUE, write_nifti

NOTE = (
    "its axes are stored in another order or direction; its affine says so, and its voxels were put into the order of"
    " the other file"
)


def store_as(path: Path, axes: str, target: Path | None = None) -> None:
    """Write a file again with its axes in another order, and with the affine that goes with it."""
    image = nib.load(path)
    wanted = axcodes2ornt(tuple(axes))
    ornt = ornt_transform(io_orientation(image.affine), wanted)
    array = nib.orientations.apply_orientation(np.asanyarray(image.dataobj), ornt)
    affine = image.affine @ inv_ornt_aff(ornt, image.shape)
    write_nifti(target or path, array, affine)


@pytest.mark.parametrize("axes", ["LPS", "LAS", "PIR", "SAL", "IRA"])
@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE @ AFFINE], ids=["straight", "oblique"])
def test_a_mask_in_another_order_of_axes_has_the_scores_of_the_same_mask(
    tmp_path: Path, axes: str, affine: np.ndarray
) -> None:
    write_nifti(tmp_path / "labels" / "a.nii.gz", box((5, 5, 4)), affine)
    write_nifti(tmp_path / "imagesTr" / "a.nii.gz", box((5, 5, 4)), affine)
    path = write_nifti(tmp_path / "masks" / "a.nii.gz", box((6, 5, 4)), affine)
    plain = evaluate(tmp_path / "masks", tmp_path / "labels", workers=0, metrics=["all"])
    picture = (tmp_path / "masks" / "report.html").read_text()
    store_as(path, axes)
    turned = evaluate(tmp_path / "masks", tmp_path / "labels", workers=0, metrics=["all"])
    assert turned.cases == plain.cases
    assert turned.notes == (*plain.notes, f"prediction of a: {NOTE}")
    outlines = [text.count("<path") for text in (picture, _page(tmp_path))]
    assert outlines[0] == outlines[1]


def _page(folder: Path) -> str:
    return (folder / "masks" / "report.html").read_text()


def test_a_label_in_another_order_gives_the_same_case_and_a_warning(
    dataset: Path, tmp_path: Path
) -> None:
    plain = preprocess(str(dataset), root=tmp_path / "plain", workers=0)
    store_as(dataset / "labelsTr" / "ball_003.nii.gz", "LPS")
    turned = preprocess(str(dataset), root=tmp_path / "turned", workers=0)
    assert turned.plan == plain.plan
    for name in ("target.npy", "foreground.npy", "image.npy"):
        one, other = (
            (done.folder / "cases" / "ball_003" / name).read_bytes() for done in (plain, turned)
        )
        assert one == other
    warnings = {case.case_id: case.warnings for case in turned.fingerprint.cases}
    assert warnings["ball_003"] == (f"labelsTr/ball_003.nii.gz: {NOTE}",)


def test_a_study_and_an_evaluation_accept_labels_in_another_order(balls: Path) -> None:
    splits = json.loads((balls / "preprocessed/Task98_Balls/splits.json").read_text())
    (case,) = splits["folds"][0]["test"]
    clicks = json.loads((balls / "points.json").read_text())
    (balls / "points.json").write_text(json.dumps({case: clicks[case]}))
    assert predict("-p", "points.json").exit_code == 0
    found = []
    for axes in (None, "SAL"):
        if axes:
            store_as(Path(f"Task98_Balls/labelsTr/{case}.nii.gz"), axes)
        line = ["--clicks", "1", "--fold", "0", "--device", "cpu", "--strategies", "centre"]
        done = CliRunner().invoke(evaluate_app, [*line, "-o", f"study{axes}"])
        assert done.exit_code == 0, done.stderr
        study = json.loads(Path(f"study{axes}/clicks.json").read_text())
        done = CliRunner().invoke(evaluate_app, ["--workers", "0", "-o", f"scores{axes}"])
        assert done.exit_code == 0, done.stderr
        scores = json.loads(Path(f"scores{axes}/metrics.json").read_text())
        found.append((study["trials"][0]["scores"], scores["cases"][0]["dice"]))
    assert found[0] == found[1]
    shutil.rmtree("studySAL")
