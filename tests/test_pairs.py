import json
import os

import numpy as np
import pytest

from promise_cli.disk.workspace import Workspace
from promise_cli.errors import EvaluationError, PromiseError, WorkspaceError
from promise_cli.evaluate.command import evaluate
from promise_cli.predictions.pairs import pair_cases
from promise_cli.predictions.targets import read_targets
from tests.conftest import edit_json, write_nifti

AFFINE = np.eye(4)


def mask(value=1, start=2):
    array = np.zeros((10, 10, 10), dtype=np.uint8)
    array[start : start + 4, 2:6, 2:6] = value
    return array


@pytest.fixture
def root(tmp_path):
    """Write a dataset of three cases whose label 2 is the target, and predictions of two of them."""
    dataset, folder = tmp_path / "Task10_Colon", tmp_path / "predictions" / "test"
    for case in ("c_1", "c_2", "c_3"):
        label = mask(2) + mask(1, start=6)
        write_nifti(dataset / "labelsTr" / f"{case}.nii.gz", label, AFFINE)
    names = {"0": "background", "1": "colon", "2": "cancer"}
    (dataset / "dataset.json").write_text(json.dumps({"name": "Colon", "labels": names}))
    write_predictions(folder, ["c_1", "c_2"], "2026-01-02T10:00:00+00:00")
    return tmp_path


def write_predictions(folder, cases, created):
    for case in cases:
        write_nifti(folder / f"{case}.nii.gz", mask(1), AFFINE)
    content = {
        "format_version": 1,
        "created": created,
        "dataset": "Task10_Colon",
        "target_label": 2,
        "target_name": "cancer",
        "labels": "Task10_Colon/labelsTr",
        "checkpoint": "fold_0/checkpoint_best.pt",
        "cases": [{"case_id": case, "mask": f"{case}.nii.gz", "volume_ml": 1} for case in cases],
    }
    (folder / "predictions.json").write_text(json.dumps(content))


def scores(root, predictions=None, labels=None, **options):
    report = evaluate(predictions, labels, root=root, workers=0, **options)
    return {(case.case_id, case.label): case.dice for case in report.cases}


def test_by_default_the_newest_predictions_are_scored_on_their_datasets_labels(root):
    write_predictions(root / "predictions" / "older", ["c_3"], "2026-01-02T09:00:00+02:00")
    os.utime(root / "predictions" / "older" / "predictions.json")
    assert scores(root) == {("c_1", 2): 1.0, ("c_2", 2): 1.0}
    assert (root / "predictions" / "test" / "metrics.json").exists()


def test_the_msd_protocol_takes_the_dataset_from_predictions_json(root):
    report = evaluate(None, None, root=root, protocol="msd", workers=0)
    assert report.tolerances_mm == (4.0,)


def test_with_labels_given_only_the_listed_cases_are_scored_and_a_note_says_so(root):
    folder = root / "predictions" / "test"
    report = evaluate(folder, root / "Task10_Colon", root=root, workers=0)
    assert [case.case_id for case in report.cases] == ["c_1", "c_2"]
    assert "only the 2 cases" in report.notes[0]
    assert "holds 3 labels" in report.notes[0]


def test_a_mask_that_predictions_json_does_not_list_is_named(root):
    folder = root / "predictions" / "test"
    write_nifti(folder / "old.nii.gz", mask(), AFFINE)
    (folder / "failures.json").write_text("{}")
    notes = pair_cases(folder, None, Workspace(root)).notes
    assert "does not list them: old.nii.gz" in notes[1]
    assert "failures.json" in notes[2]


def test_a_listed_mask_that_was_deleted_counts_as_missing(root):
    (root / "predictions" / "test" / "c_2.nii.gz").unlink()
    with pytest.raises(EvaluationError, match="no prediction for 1 of 2 cases: c_2; predict them"):
        scores(root)
    assert scores(root, missing="zero") == {("c_1", 2): 1.0, ("c_2", 2): 0.0}


def test_one_mask_is_scored_against_its_label(root):
    one = root / "predictions" / "test" / "c_1.nii.gz"
    label = root / "Task10_Colon" / "labelsTr" / "c_3.nii.gz"
    assert scores(root, one) == {("c_1", 2): 1.0}
    assert scores(root, one, label) == {("c_1", 2): 1.0}


def test_two_files_of_different_names_are_a_pair(tmp_path):
    a = write_nifti(tmp_path / "mine.nii.gz", mask(), AFFINE)
    b = write_nifti(tmp_path / "truth" / "theirs.nii", mask(start=4), AFFINE)
    assert scores(tmp_path, a, b) == {("mine", 1): 0.5}


def test_two_folders_are_compared_by_the_labels_of_dataset_json(root, tmp_path):
    folder = tmp_path / "nnunet"
    for case in ("c_1", "c_2", "c_3"):
        write_nifti(folder / f"{case}_0000.nii.gz", mask(2), AFFINE)
    (folder / "._c_1.nii.gz").write_bytes(b"left by macOS")
    expected = {(f"c_{n}", label): float(label - 1) for n in (1, 2, 3) for label in (1, 2)}
    assert scores(root, folder, root / "Task10_Colon") == expected
    assert scores(root, folder, root / "Task10_Colon" / "labelsTr") == expected


def test_a_value_that_dataset_json_does_not_name_is_refused(root, tmp_path):
    folder = tmp_path / "nnunet"
    for case in ("c_1", "c_2", "c_3"):
        write_nifti(folder / f"{case}.nii.gz", mask(3), AFFINE)
    with pytest.raises(EvaluationError, match=r"c_1.nii.gz: holds the value 3, expected 0, 1, 2"):
        scores(root, folder, root / "Task10_Colon")


def test_a_prediction_of_promise_holds_nothing_but_0_and_1(root):
    write_nifti(root / "predictions" / "test" / "c_1.nii.gz", mask(2), AFFINE)
    with pytest.raises(EvaluationError, match=r"c_1.nii.gz: holds the value 2, expected 0, 1; is"):
        scores(root)


def test_labels_in_nnunets_order_and_regions_are_read(tmp_path):
    path = tmp_path / "dataset.json"
    names = {"background": 0, "whole": [1, 2], "core": 2}
    path.write_text(json.dumps({"labels": names}))
    found = [(target.label, target.name, target.reference_values) for target in read_targets(path)]
    assert found == [("1+2", "whole", (1, 2)), (2, "core", (2,))]


def test_a_region_is_the_union_of_its_values(tmp_path):
    labels = tmp_path / "labelsTr"
    both = mask(1) + mask(2, start=6)
    write_nifti(labels / "x.nii.gz", both, AFFINE)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"whole": [1, 2], "core": 2}}))
    one = write_nifti(tmp_path / "masks" / "x.nii.gz", (both > 0).astype(np.uint8), AFFINE)
    assert scores(tmp_path, one, labels) == {("x", "1+2"): 1.0, ("x", 2): 0.0}


def refuse_no_predictions(root):
    (root / "predictions" / "test" / "predictions.json").unlink()
    return (None, None), WorkspaceError, "predictions: no predictions; run promise-predict first"


def refuse_missing_folder(root):
    return (root / "nowhere", None), WorkspaceError, "nowhere: no such file or folder"


def refuse_empty_folder(root):
    (root / "bare").mkdir()
    return (root / "bare", None), EvaluationError, "bare: no mask in it; expected a folder of"


def refuse_other_file(root):
    (root / "notes.txt").write_text("")
    return (root / "notes.txt", None), EvaluationError, "notes.txt: not a mask; expected"


def refuse_labels_unknown(root):
    write_nifti(root / "mine" / "c_1.nii.gz", mask(), AFFINE)
    return (
        (root / "mine", None),
        EvaluationError,
        "mine: there is no predictions.json that names its labels",
    )


def refuse_labels_null(root):
    edit_json(root / "predictions/test/predictions.json", lambda it: it.update(labels=None))
    return (None, None), EvaluationError, "predictions.json: names no labels; give them"


def refuse_labels_moved(root):
    (root / "Task10_Colon").rename(root / "elsewhere")
    return (None, None), EvaluationError, "its labels .*labelsTr do not exist; give them"


def refuse_unlabelled(root):
    (root / "Task10_Colon" / "labelsTr" / "c_2.nii.gz").unlink()
    return (None, None), EvaluationError, r"c_2.nii.gz: this prediction has no label in .*labelsTr"


def refuse_stranger(root):
    write_nifti(root / "mine" / "stranger.nii.gz", mask(), AFFINE)
    labels = root / "Task10_Colon"
    return (root / "mine", labels), EvaluationError, "stranger.nii.gz: this prediction has no label"


def refuse_fewer(root):
    write_nifti(root / "mine" / "c_1.nii.gz", mask(), AFFINE)
    labels = root / "Task10_Colon"
    return (root / "mine", labels), EvaluationError, "no prediction for 2 of 3 cases: c_2, c_3"


def refuse_swapped(root):
    pair = root / "Task10_Colon", root / "predictions" / "test"
    return pair, EvaluationError, "so these are predictions; the order is PREDICTIONS LABELS"


def refuse_double(root):
    write_nifti(root / "predictions" / "test" / "c_1.nii", mask(), AFFINE)
    return (None, None), PromiseError, "c_1.nii.gz: the same case as c_1.nii; keep one of the two"


def refuse_field(root):
    edit_json(root / "predictions/test/predictions.json", lambda it: it.pop("target_label"))
    return (None, None), EvaluationError, "predictions.json: needs the fields dataset"


def refuse_no_cases(root):
    edit_json(root / "predictions/test/predictions.json", lambda it: it.update(cases=[]))
    return (None, None), EvaluationError, "predictions.json: needs the fields dataset"


def refuse_created(root):
    edit_json(root / "predictions/test/predictions.json", lambda it: it.update(created="today"))
    return (None, None), EvaluationError, "predictions.json: 'created' is not an ISO time"


def refuse_json(root):
    (root / "predictions" / "test" / "predictions.json").write_text("{")
    return (None, None), PromiseError, "predictions.json: not readable as JSON"


def refuse_names(root):
    edit_json(root / "Task10_Colon" / "dataset.json", lambda it: it.update(labels={"a": "b"}))
    write_nifti(root / "mine" / "c_1.nii.gz", mask(), AFFINE)
    pair = root / "mine" / "c_1.nii.gz", root / "Task10_Colon"
    return pair, EvaluationError, "dataset.json: label 'a': 'b' is not a whole number"


@pytest.mark.parametrize(
    "refuse", [value for name, value in sorted(globals().items()) if name.startswith("refuse_")]
)
def test_masks_that_cannot_be_paired_end_in_one_line_that_says_what_to_do(root, refuse):
    (predictions, labels), kind, expected = refuse(root)
    with pytest.raises(kind, match=expected) as caught:
        evaluate(predictions, labels, root=root, workers=0)
    assert "\n" not in str(caught.value)
    assert not list(root.rglob("metrics.*"))
