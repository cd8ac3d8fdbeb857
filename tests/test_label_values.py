"""Values and headers of masks and label files are read correctly for the scores."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from promise_cli.dataset.folder import read_dataset
from promise_cli.errors import PromiseError
from promise_cli.evaluate.command import evaluate
from promise_cli.preprocess.command import preprocess
from tests.boxes import AFFINE, box, write_two_cases
from tests.conftest import edit_json, write_nifti
from tests.scans import write_itk


@pytest.fixture
def folders(tmp_path):
    return write_two_cases(tmp_path)


def boxes(values):
    """Return an array with one 4 x 4 x 4 box for each value, side by side."""
    parts = [box((5, 1 + 5 * number, 4), value) for number, value in enumerate(values)]
    return np.bitwise_or.reduce(parts)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_the_spacing_is_exactly_the_one_in_the_file(tmp_path, suffix):
    """Five voxels of 0.8 mm are 4 mm in formats that store doubles, and more in NIfTI, which stores 0.80000001."""
    affine = np.diag([0.8, 0.8, 0.8, 1.0])
    for folder, first in (("masks", 5), ("labels", 10)):
        array = box((first, 5, 4))
        path = tmp_path / folder / f"a{suffix}"
        path.parent.mkdir()
        (write_nifti if suffix == ".nii.gz" else write_itk)(path, array, affine)
    report = evaluate(tmp_path / "masks", tmp_path / "labels", tolerances_mm=(4.0,), workers=0)
    single = float(np.float32(0.8))
    assert report.cases[0].spacing == ((single,) * 3 if suffix == ".nii.gz" else (0.8,) * 3)
    assert (report.cases[0].nsd["4.0"] == 1.0) == (suffix != ".nii.gz")


def test_voxels_of_the_ignore_label_do_not_count(tmp_path):
    write_nifti(tmp_path / "masks" / "a.nii.gz", boxes([1, 1]), AFFINE)
    write_nifti(tmp_path / "labels" / "a.nii.gz", boxes([1, 3]), AFFINE)
    names = {"background": 0, "tumour": 1, "ignore": 3}
    (tmp_path / "labels" / "dataset.json").write_text(json.dumps({"labels": names}))
    report = evaluate(tmp_path / "masks", tmp_path / "labels", workers=0)
    assert [(case.label, case.dice) for case in report.cases] == [(1, 1.0)]


def test_a_region_of_one_value_is_that_value(tmp_path, dataset):
    names = {"background": 0, "tumour": [1], "ignore": [3]}
    edit_json(dataset / "dataset.json", lambda content: content.update(labels=names))
    assert read_dataset(dataset).labels == {1: "tumour", 3: "ignore"}
    assert preprocess(str(dataset), root=tmp_path, workers=0).plan.target_label == 1
    write_nifti(tmp_path / "masks" / "a.nii.gz", boxes([1, 1]), AFFINE)
    write_nifti(tmp_path / "labels" / "a.nii.gz", boxes([1, 3]), AFFINE)
    shutil.copy(dataset / "dataset.json", tmp_path / "labels")
    report = evaluate(tmp_path / "masks", tmp_path / "labels", workers=0)
    assert [(case.label, case.dice) for case in report.cases] == [(1, 1.0)]


def with_predictions_json(folder, **fields):
    content = {"dataset": "x", "target_label": 2, "target_name": "cancer", "labels": None}
    content |= {"cases": [{"case_id": "a", "mask": "a.nii.gz"}]} | fields
    (folder / "predictions.json").write_text(json.dumps(content))


def test_labels_that_mean_something_else_are_refused(tmp_path):
    masks, labels = tmp_path / "masks", tmp_path / "labels"
    write_nifti(masks / "a.nii.gz", boxes([1]), AFFINE)
    write_nifti(labels / "a.nii.gz", boxes([1]), AFFINE)
    with_predictions_json(masks)
    with pytest.raises(PromiseError) as caught:
        evaluate(masks, labels, workers=0)
    assert str(caught.value) == (
        f"{labels}: no label file holds 2 (cancer), the target of {masks}, but some hold 1; give the dataset's own"
        " labels"
    )
    assert not (masks / "metrics.json").exists()


def test_a_case_without_the_target_is_scored_where_the_dataset_names_it(tmp_path):
    masks, labels = tmp_path / "masks", tmp_path / "labels"
    write_nifti(masks / "a.nii.gz", boxes([1]), AFFINE)
    write_nifti(labels / "a.nii.gz", boxes([1]), AFFINE)
    with_predictions_json(masks)
    names = {"0": "background", "1": "pancreas", "2": "cancer"}
    (labels / "dataset.json").write_text(json.dumps({"labels": names}))
    assert evaluate(masks, labels, workers=0).cases[0].status == "reference_empty"


def test_a_compared_set_whose_values_mean_something_else_is_refused(tmp_path):
    masks, labels, other = (tmp_path / name for name in ("masks", "labels", "other"))
    write_nifti(labels / "a.nii.gz", boxes([1, 2]), AFFINE)
    names = {"0": "background", "1": "pancreas", "2": "cancer"}
    (labels / "dataset.json").write_text(json.dumps({"labels": names}))
    write_nifti(masks / "a.nii.gz", boxes([0, 1]), AFFINE)
    with_predictions_json(masks)
    write_nifti(other / "a.nii.gz", boxes([0, 1]), AFFINE)
    with pytest.raises(PromiseError) as caught:
        evaluate(masks, labels, compare_with=other, workers=0)
    assert str(caught.value) == (
        f"--compare {other}: no mask holds 2 (cancer), which is compared, but some hold 1 (pancreas); write the"
        " label's value into the masks"
    )


@pytest.mark.parametrize("name", ["labelsTr", "labelsTs", "gt_segmentations"])
def test_a_folder_of_labels_in_the_place_of_the_predictions_is_refused(tmp_path, name):
    for folder in ("masks", name):
        write_nifti(tmp_path / folder / "a.nii.gz", boxes([1]), AFFINE)
    with pytest.raises(PromiseError) as caught:
        evaluate(tmp_path / name, tmp_path / "masks", workers=0)
    assert str(caught.value) == (
        f"{tmp_path / name}: these are a dataset's labels; the order is PREDICTIONS LABELS"
    )
    assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["a.nii.gz"]


def test_the_volume_of_sheared_voxels_is_exact(tmp_path):
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[1, 2] = 1.5
    for folder in ("masks", "labels"):
        write_nifti(tmp_path / folder / "a.nii.gz", boxes([1]), affine)
    report = evaluate(tmp_path / "masks", tmp_path / "labels", workers=0)
    assert report.cases[0].reference_ml == pytest.approx(64 * 3 / 1000)
    (note,) = report.notes
    assert note.startswith("label of a: axes differ from right angles by ")


def test_missing_and_empty_cases_of_the_other_set_are_noted(folders):
    masks, labels = folders
    other = masks.parent / "other"
    write_nifti(other / "a.nii.gz", box((6, 6, 4)), AFFINE)
    report = evaluate(masks, labels, compare_with=other, missing="zero", workers=0)
    assert report.notes == (f"compared with {other}: predictions missing: zero, 1 case",)
    write_nifti(other / "b.nii.gz", box((6, 6, 4), value=0), AFFINE)
    report = evaluate(masks, labels, compare_with=other, metrics=["hd95"], workers=0)
    assert report.notes == (
        "cases left out of the comparison because a value is missing: 1 hd95_mm 1",
    )


def test_a_metric_that_the_other_set_does_not_have_is_named(folders):
    masks, labels = folders
    other = masks.parent / "other"
    for case in ("a", "b"):
        write_nifti(other / f"{case}.nii.gz", box((6, 6, 4)), AFFINE)
    evaluate(other, labels, workers=0)
    with pytest.raises(PromiseError) as caught:
        evaluate(masks, labels, compare_with=other / "metrics.json", metrics=["assd"], workers=0)
    assert str(caught.value) == (
        f"--compare {other / 'metrics.json'}: holds no assd_mm; evaluate both with the same --metrics"
    )


def test_a_mask_that_its_header_scales_to_whole_numbers_is_accepted(tmp_path):
    array = boxes([1]) * 255
    write_nifti(tmp_path / "labels" / "a.nii.gz", boxes([1]), AFFINE)
    image = nib.Nifti1Image(array, AFFINE)
    image.header.set_slope_inter(1 / 255, 0)
    (tmp_path / "masks").mkdir()
    nib.save(image, tmp_path / "masks" / "a.nii.gz")
    assert evaluate(tmp_path / "masks", tmp_path / "labels", workers=0).cases[0].dice == 1.0


def test_a_skipped_missing_case_has_no_value_in_nnunets_summary_either(folders):
    masks, labels = folders
    (masks / "b.nii.gz").unlink()
    evaluate(masks, labels, missing="skip", nnunet=True, workers=0)
    one, other = json.loads((masks / "summary.json").read_text())["metric_per_case"]
    assert one["metrics"]["1"]["n_ref"] == 64
    assert all(np.isnan(value) for value in other["metrics"]["1"].values())
