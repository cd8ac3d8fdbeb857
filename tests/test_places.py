"""promise-evaluate finds predictions and the dataset's name despite damaged files, links and nnU-Net's folders."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app
from promise_cli.errors import EvaluationError
from promise_cli.evaluate.command import evaluate
from tests import test_pairs
from tests.conftest import write_nifti
from tests.test_pairs import AFFINE, mask, scores, write_predictions

root = test_pairs.root  # the fixture of that file, for the tests here


@pytest.fixture
def masks(root):
    """Write masks of the dataset's three cases as another tool writes them, without predictions.json."""
    for case in ("c_1", "c_2", "c_3"):
        write_nifti(root / "masks" / f"{case}.nii.gz", mask(2), AFFINE)
    return root / "masks"


def tolerance(predictions, labels):
    report = evaluate(predictions, labels, protocol="msd", workers=0)
    return report.dataset, report.tolerances_mm


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"created": "today"}', '{"created": "2027-01-01T00:00:00"}']
)
def test_broken_predictions_next_to_good_ones_are_skipped_with_a_warning(root, capsys, content):
    broken = root / "predictions" / "broken" / "predictions.json"
    broken.parent.mkdir()
    broken.write_text(content)
    write_predictions(root / "predictions" / "older", ["c_3"], "2025-01-02T10:00:00+00:00")
    assert scores(root) == {("c_1", 2): 1.0, ("c_2", 2): 1.0}
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {broken}: ")
    assert warning.endswith("; these predictions are skipped")


@pytest.mark.parametrize("policy", ["zero", "skip"])
def test_in_a_folder_without_any_mask_all_cases_are_missing(root, policy):
    (root / "bare").mkdir()
    labels = root / "Task10_Colon"
    if policy == "zero":
        found = scores(root, root / "bare", labels, missing="zero")
        assert set(found.values()) == {0.0}
        assert len(found) == 6
    else:
        with pytest.raises(EvaluationError, match="bare: no prediction for any of 3 cases, so"):
            scores(root, root / "bare", labels, missing="skip")


def test_skipping_missing_masks_is_refused_where_all_are_missing(root):
    for path in (root / "predictions" / "test").glob("*.nii.gz"):
        path.unlink()
    with pytest.raises(
        EvaluationError, match="no prediction for any of 2 cases, so --missing skip"
    ):
        scores(root, missing="skip")


def test_a_dataset_that_is_a_link_has_the_links_name(masks, root):
    (root / "Task10_Colon").rename(root / "disk_7")
    (root / "Task10_Colon").symlink_to(root / "disk_7")
    assert tolerance(masks, root / "Task10_Colon") == ("Task10_Colon", (4.0,))
    assert tolerance(masks, root / "Task10_Colon" / "labelsTr") == ("Task10_Colon", (4.0,))


def test_a_link_with_another_name_leads_to_the_datasets_name(masks, root):
    (root / "truth").symlink_to(root / "Task10_Colon")
    (root / "segmentations").symlink_to(root / "Task10_Colon" / "labelsTr")
    assert tolerance(masks, root / "truth") == ("Task10_Colon", (4.0,))
    assert tolerance(masks, root / "segmentations") == ("Task10_Colon", (4.0,))


def test_linked_labels_within_a_dataset_belong_to_it(masks, root):
    shutil.move(root / "Task10_Colon" / "labelsTr", root / "segmentations")
    (root / "Task10_Colon" / "labelsTr").symlink_to(root / "segmentations")
    assert tolerance(masks, root / "Task10_Colon") == ("Task10_Colon", (4.0,))


def test_a_dataset_json_inside_labelstr_belongs_to_the_dataset(masks, root):
    dataset = root / "Task10_Colon"
    shutil.move(dataset / "dataset.json", dataset / "labelsTr" / "dataset.json")
    assert tolerance(masks, dataset) == ("Task10_Colon", (4.0,))


def test_nnunets_gt_segmentations_have_their_dataset_json_next_to_them(masks, root):
    dataset = root / "Dataset010_Colon"
    shutil.copytree(root / "Task10_Colon" / "labelsTr", dataset / "gt_segmentations")
    labels = {"background": 0, "colon": 1, "cancer": 2}
    (dataset / "dataset.json").write_text(json.dumps({"labels": labels}))
    assert tolerance(masks, dataset / "gt_segmentations") == ("Dataset010_Colon", (4.0,))
    report = evaluate(masks, dataset / "gt_segmentations", workers=0)
    assert [label.name for label in report.summary.labels] == ["colon", "cancer"]


def test_every_row_of_the_table_names_its_protocol_and_policies(masks, root):
    arguments = [str(masks), str(root / "Task10_Colon"), "--protocol", "msd", "--empty", "one"]
    result = CliRunner().invoke(evaluate_app, arguments)
    assert result.exit_code == 0, result.stderr
    head, *rows = Path(masks, "metrics.csv").read_text().splitlines()
    assert head.endswith(",protocol,empty_policy,missing_policy")
    assert len(rows) == 6
    assert all(row.endswith(",msd,one,error") for row in rows)
