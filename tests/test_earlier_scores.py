"""A metrics.json that is given to --compare is accepted only if an evaluation could have written it."""

import json
import math
from functools import partial
from pathlib import Path

import pytest

from promise_cli.errors import EvaluationError
from promise_cli.evaluate.command import evaluate
from promise_cli.scores import read_scores
from tests.boxes import AFFINE, box, write_two_cases
from tests.conftest import write_nifti

SETTINGS = {"tolerances_mm": [5.0], "empty_policy": "nan", "missing_policy": "error"}


def case(name="a", **changes):
    further = {"hd95_mm": 12.5, "volume_difference": -0.25}
    return {
        "case_id": name,
        "label": 1,
        "dice": 0.5,
        "nsd": {"5.0": None},
        "further": further,
        **changes,
    }


def write(tmp_path, *cases):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"schema_version": 1, **SETTINGS, "cases": cases}))
    return path


def test_scores_are_read_by_case_and_label_with_null_as_no_value(tmp_path):
    found = read_scores(write(tmp_path, case(), case("b", label="1+2", dice=1)), SETTINGS)
    assert list(found) == [("a", "1"), ("b", "1+2")]
    values = found["a", "1"]
    assert math.isnan(values.pop("nsd_5.0mm"))
    assert values == {"dice": 0.5, "hd95_mm": 12.5, "volume_difference": -0.25}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (case("a"), "case a, label 1: listed twice"),
        (case("b", nsd={}), "case b, label 1: nsd at no tolerance, expected at 5.0 mm"),
        (case("b", nsd={"4.0": 1}), "case b, label 1: nsd at 4.0, expected at 5.0 mm"),
        (case("b", further={}), "case b, label 1: hd95_mm is not in every case"),
        (case("b", further={"iou": 1}), "case b, label 1: unknown metric 'iou'"),
        (case("b", dice=7), "case b, label 1: dice is 7, expected 0 to 1, or null"),
        (case("b", dice="0.5"), "case b, label 1: dice is '0.5', expected 0 to 1, or null"),
        (case("b", dice=True), "case b, label 1: dice is True, expected 0 to 1, or null"),
        (case("b", dice=math.nan), "case b, label 1: dice is nan, expected 0 to 1, or null"),
        (
            case("b", nsd={"5.0": math.inf}),
            "case b, label 1: nsd_5.0mm is inf, expected 0 to 1, or null",
        ),
        (
            case("b", further={"hd95_mm": math.inf, "volume_difference": 0}),
            "case b, label 1: hd95_mm is inf, expected 0 or more, or null",
        ),
        (
            case("b", further={"hd95_mm": 1, "volume_difference": -2}),
            "case b, label 1: volume_difference is -2, expected -1 or more, or null",
        ),
        (case(7), "needs cases with case_id, label, dice and nsd"),
        (case("b", label=None), "needs cases with case_id, label, dice and nsd"),
        ("b", "needs cases with case_id, label, dice and nsd"),
    ],
)
def test_scores_that_no_evaluation_writes_are_refused_in_one_line(tmp_path, second, message):
    path = write(tmp_path, case(), second)
    with pytest.raises(EvaluationError) as caught:
        read_scores(path, SETTINGS)
    assert str(caught.value) == f"{path}: {message}; evaluate those predictions again"


def test_a_file_without_any_case_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="needs cases with case_id, label, dice and nsd"):
        read_scores(write(tmp_path), SETTINGS)


COUNTS = {"reference_voxels": 40, "prediction_voxels": 40, "common_voxels": 20, "scan_voxels": 1000}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"common_voxels": 41}, "41 voxels in common of 40 and 40 in a scan of 1000 is impossible"),
        ({"scan_voxels": 50}, "20 voxels in common of 40 and 40 in a scan of 50 is impossible"),
        ({"common_voxels": 10}, "dice is 0.5, but its numbers of voxels give 0.25"),
        (
            {"reference_voxels": -1},
            "reference_voxels, prediction_voxels, common_voxels, scan_voxels must be whole numbers, 0 or more",
        ),
        (
            {"scan_voxels": "1000"},
            "reference_voxels, prediction_voxels, common_voxels, scan_voxels must be whole numbers, 0 or more",
        ),
    ],
)
def test_numbers_of_voxels_that_contradict_each_other_are_refused(tmp_path, changes, message):
    assert read_scores(write(tmp_path, case(**COUNTS)), SETTINGS)
    path = write(tmp_path, case(**COUNTS | changes))
    with pytest.raises(EvaluationError) as caught:
        read_scores(path, SETTINGS)
    assert (
        str(caught.value) == f"{path}: case a, label 1: {message}; evaluate those predictions again"
    )


def test_scores_against_other_labels_are_refused_with_both_numbers_of_voxels(in_folder):
    for folder in ("one", "two"):
        write_two_cases(in_folder / folder)
        write_nifti(Path(f"{folder}/masks/a.nii.gz"), box((5, 5, 4 + len(folder) % 2)), AFFINE)
    evaluate(Path("two/masks"), Path("two/labels"), workers=0)
    run = partial(evaluate, Path("one/masks"), Path("one/labels"), workers=0, page=False)
    assert run(compare_with=Path("two/masks/metrics.json")).comparison is not None
    write_nifti(Path("one/labels/b.nii.gz"), box((5, 5, 4)) + box((15, 15, 10)), AFFINE)
    with pytest.raises(EvaluationError) as caught:
        run(compare_with=Path("two/masks/metrics.json"))
    assert str(caught.value) == (
        "two/masks/metrics.json: case b, label 1: the label had 64 voxels, but now it has 128; evaluate both against"
        " the same labels, on the same grid"
    )
