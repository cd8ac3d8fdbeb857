"""A second promise-predict into a folder replaces no mask, score or page that its user did not give up."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.disk.records import load_record
from promise_cli.predictions.record import Predictions
from tests.balls import centre, mask_of, predict
from tests.conftest import RUN, edit_json, write_nifti

FOLDER = Path("predictions/imgs")
FIRST = RUN / "checkpoint_best.pt"


@pytest.fixture(autouse=True)
def scored(balls: Path) -> None:
    """Predict one scan with fold 0, and put files of an evaluation next to its mask."""
    shutil.copytree(RUN, RUN.with_name("fold_1"))
    (balls / "points.json").write_text(json.dumps({"ball_001": centre(1)}))
    assert predict("-p", "points.json", "-f", 0).exit_code == 0
    write_scores("first")


def write_scores(name: str) -> None:
    (FOLDER / "metrics.json").write_text(f'{{"tool": "promise_cli 0", "of": "{name}"}}')
    (FOLDER / "metrics.md").write_text("promise_cli 0, protocol\n")
    page = f'<meta name="generator" content="promise-evaluate">{name}'
    (FOLDER / "report.html").write_text(page)


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}


def error_of(*arguments: object) -> str:
    """Run promise-predict, which must refuse and change nothing; return its message."""
    before = contents()
    done = predict(*arguments)
    assert done.exit_code == 1
    assert contents() == before
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def test_masks_of_another_fold_are_refused_with_a_folder_for_the_new_ones() -> None:
    second = RUN.with_name("fold_1") / "checkpoint_best.pt"
    assert error_of("-p", "points.json", "-f", 1) == (
        f"error: predictions/imgs: holds masks of {FIRST}, but this call uses {second}; give another folder, such as"
        " -o predictions/imgs_fold_1, or --overwrite to replace them"
    )
    line = ("-p", "points.json", "-f", 1, "-o", "predictions/imgs_fold_1")
    assert predict(*line).exit_code == 0
    assert predict(*line).exit_code == 0
    both = error_of("-p", "points.json", "-f", 0, 1)
    assert f"holds masks of {FIRST}, but this call uses {FIRST}, {second}; give another" in both
    assert "-o predictions/imgs_fold_0_fold_1, or" in both


def test_a_refused_call_writes_no_clicks() -> None:
    error_of("-p", "points.json", "-f", 1, "--write-points", "clicks.json")
    assert not Path("clicks.json").exists()


def test_overwrite_replaces_the_masks_of_another_fold_and_their_scores() -> None:
    assert predict("-p", "points.json", "-f", 1, "--overwrite").exit_code == 0
    assert sorted(path.name for path in FOLDER.iterdir()) == [
        "ball_001.nii.gz",
        "predictions.json",
    ]


def test_masks_of_a_network_that_was_trained_again_are_not_replaced() -> None:
    FIRST.touch()
    assert error_of("-p", "points.json", "-f", 0) == (
        f"error: predictions/imgs: holds masks that were made before {FIRST} was last written; give another folder,"
        " such as -o predictions/imgs_fold_0, or --overwrite to replace them"
    )


@pytest.mark.parametrize(
    ("option", "made", "asked", "name"),
    [
        ("--single-window", "--max-windows 20", "--single-window", "_single_window"),
        ("--tta", "without --tta", "--tta", "_tta"),
    ],
)
def test_masks_that_were_made_with_other_settings_are_not_replaced(
    option: str, made: str, asked: str, name: str
) -> None:
    message = error_of("-p", "points.json", "-f", 0, option)
    before, after = message.split(", but this call has ")
    assert before.startswith("error: predictions/imgs: holds masks that were made with ")
    assert made in before
    assert asked in after
    assert f"; give another folder, such as -o predictions/imgs_fold_0{name}, or --" in after


def test_masks_with_other_settings_are_not_listed_with_those_of_this_call() -> None:
    Path("points.json").write_text(json.dumps({"ball_002": centre(2)}))
    done = predict("-p", "points.json", "-f", 0, "--single-window", "--overwrite")
    assert done.exit_code == 0
    assert (
        "1 mask with other settings will no longer be listed in predictions.json, such as ball_001"
        in done.stderr
    )
    record = load_record(Predictions, FOLDER / "predictions.json")
    assert [case.case_id for case in record.cases] == ["ball_002"]


def test_an_evaluation_is_moved_where_clicks_of_the_same_network_change() -> None:
    for number, name in ((1, "first"), (2, "second")):
        i, j, k = centre(1)
        Path("points.json").write_text(json.dumps({"ball_001": [i + number, j, k]}))
        done = predict("-p", "points.json", "-f", 0)
        assert done.exit_code == 0
        place = FOLDER / f"evaluation_{number}"
        assert f"the evaluation of the masks so far is moved to {place}" in done.stdout
        assert (
            "predicted again, because their clicks, scans or options have changed: 1" in done.stdout
        )
        assert sorted(path.name for path in place.iterdir()) == [
            "metrics.json",
            "metrics.md",
            "report.html",
        ]
        assert name in (place / "metrics.json").read_text()
        assert not (FOLDER / "metrics.json").exists()
        write_scores("second")


def test_a_scan_of_the_same_name_in_another_folder_does_not_replace_a_mask() -> None:
    shutil.copytree("imgs", "second/imgs")
    line = ("-i", "second/imgs", "-p", "points.json", "-f", 0)
    assert error_of(*line) == (
        "error: predictions/imgs/ball_001.nii.gz: is the mask of imgs/ball_001.nii.gz, not of"
        " second/imgs/ball_001.nii.gz; give another folder, such as -o predictions/imgs_fold_0, or --overwrite to"
        " replace it"
    )
    shutil.rmtree("imgs")  # the scans were moved
    done = predict(*line)
    assert done.exit_code == 0, done.stderr


def test_a_mask_that_was_edited_is_kept_and_only_overwritten_when_asked() -> None:
    path = FOLDER / "ball_001.nii.gz"
    image = nib.load(path)
    edited = np.zeros(image.shape, np.uint8)
    edited[3:9, 4, 5] = 1
    write_nifti(path, edited, image.affine)
    clicks = json.loads(Path("points.json").read_text())
    Path("points.json").write_text(json.dumps(clicks | {"ball_002": centre(2)}))
    done = predict("-p", "points.json", "-f", 0)
    assert done.exit_code == 0
    assert (
        f"warning: {path}: was edited after promise-predict wrote it, and is kept; --overwrite predicts it again"
        in done.stderr
    )
    np.testing.assert_array_equal(mask_of(str(path)), edited)
    Path("points.json").write_text(json.dumps({"ball_001": [1, 1, 1]}))
    assert error_of("-p", "points.json", "-f", 0) == (
        f"error: {path}: was edited after promise-predict wrote it; move it to another folder to keep it, or add"
        " --overwrite to replace it"
    )
    assert predict("-p", "points.json", "-f", 0, "--overwrite").exit_code == 0
    assert not np.array_equal(mask_of(str(path)), edited)


def test_a_record_that_cannot_be_read_protects_its_masks() -> None:
    edit_json(FOLDER / "predictions.json", lambda record: record.update(newer=1))
    assert error_of("-p", "points.json", "-f", 0) == (
        "error: predictions/imgs/predictions.json: unknown field 'newer'; what its masks were made with is unknown,"
        " so give another folder with -o, or --overwrite to replace them"
    )
    assert predict("-p", "points.json", "-f", 0, "--overwrite").exit_code == 0


def test_a_page_of_scores_stays_next_to_the_page_of_the_same_masks() -> None:
    before = (FOLDER / "report.html").read_text()
    done = predict("-p", "points.json", "-f", 0, "--report")
    assert done.exit_code == 0, done.stderr
    assert (FOLDER / "report.html").read_text() == before
    assert 'content="promise-predict"' in (FOLDER / "prediction.html").read_text()


def test_a_page_of_another_origin_is_not_replaced() -> None:
    (FOLDER / "report.html").write_text("mine")
    assert error_of("-p", "points.json", "-f", 0, "--report") == (
        "error: predictions/imgs/report.html: exists already, and was not written by promise-predict; give another"
        " folder with -o, or leave out --report"
    )


def test_probabilities_and_masks_in_another_format_do_not_stay_behind() -> None:
    line = ("-p", "points.json", "-f", 0, "--overwrite")
    assert predict(*line, "--save-prob").exit_code == 0
    assert (FOLDER / "probabilities/ball_001.nii.gz").exists()
    nib.save(nib.load("imgs/ball_001.nii.gz"), "imgs/ball_001.nii")
    Path("imgs/ball_001.nii.gz").unlink()
    assert predict(*line, "--same-format").exit_code == 0
    assert [path.name for path in FOLDER.rglob("ball_001*")] == ["ball_001.nii"]
