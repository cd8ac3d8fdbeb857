"""A metrics.json that is given to --compare is accepted only if an evaluation could have written it."""

import json
import math

import pytest

from promise_cli.errors import EvaluationError
from promise_cli.scores import read_scores

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
