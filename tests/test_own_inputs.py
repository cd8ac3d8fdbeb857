"""Twenty inputs of the kinds that users of comparable tools reported, which are read rightly or refused by name."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from promise_cli.dataset.fingerprint import verify_case
from promise_cli.dataset.folder import choose_target, read_dataset
from promise_cli.errors import PromiseError
from promise_cli.predict.inputs import gather_inputs
from promise_cli.predict.predict_request import PredictRequest
from tests.conftest import edit_json

CASE = "ball_001"


@pytest.mark.parametrize(
    ("name", "text", "point"),
    [
        ("p.csv", f"case;i;j;k\n{CASE};14,5;13,0;10,0\n", (14.5, 13, 10)),
        ("p.csv", f"case\ti\tj\tk\n{CASE}\t14\t13\t10\n", (14, 13, 10)),
        ("p.json", json.dumps({f"{CASE}.nii.gz": [14, 13, 10]}), (14, 13, 10)),
        ("p.json", json.dumps({f"{CASE}_0000": [14, 13, 10]}), (14, 13, 10)),
    ],
)
def test_clicks_in_other_spellings_are_read(
    dataset: Path, name: str, text: str, point: tuple[float, float, float]
) -> None:
    path = dataset / name
    path.write_text(text)
    inputs = gather_inputs(PredictRequest(images=dataset / "imagesTr", prompts=path))
    assert inputs.failures == []
    assert {case: clicks[0].point for case, clicks in inputs.clicks.items()} == {CASE: point}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "p.csv",
            f'case,x,y,z,space\n{CASE},"1,001.5",2,3,LPS\n',
            "row 2: expected numbers in the columns x, y, z, found ['1,001.5', '2', '3']; write plain numbers with a"
            " decimal point",
        ),
        ("p.csv", "case,i,j,k\n", "holds no click; add one on the target"),
        (
            "p.json",
            json.dumps({CASE: ["14", "13", "10"]}),
            "of three numbers, found ['14', '13', '10']",
        ),
        ("p.json", f'{{"{CASE}": [NaN, 13, 10]}}', "of three numbers, found [nan, 13, 10]"),
        ("p.json", json.dumps({CASE: [28, 26, 20]}), "(voxels count from 0)"),
        (
            f"{CASE}.fcsv",
            "F-1,1.0,-2.5,4,1,1\n",
            "the coordinate system is unknown, because there is no line '# CoordinateSystem = LPS'; give --space LPS or"
            " --space RAS",
        ),
    ],
)
def test_clicks_that_cannot_be_meant_are_refused(
    dataset: Path, name: str, text: str, message: str
) -> None:
    path = dataset / name
    path.write_text(text)
    try:
        (failure,) = gather_inputs(
            PredictRequest(images=dataset / "imagesTr", prompts=path)
        ).failures
        found = failure.reason
    except PromiseError as error:
        found = str(error)
    assert found.startswith(f"{path}: ")
    assert message in found
    assert "\n" not in found


def _as_nnunet(dataset: Path, **fields: object) -> None:
    def change(content: dict) -> None:
        del content["training"], content["modality"]
        content.update(labels={"background": 0, "tumour": 1}, channel_names={"0": "CT"}, **fields)

    edit_json(dataset / "dataset.json", change)


def _rename(folder: Path, suffix: str, every: int) -> None:
    for path in sorted(folder.iterdir())[::every]:
        path.rename(path.with_name(path.name.replace(".nii.gz", f"{suffix}.nii.gz")))


def test_nnunets_names_with_and_without_0000_may_be_mixed(dataset: Path) -> None:
    _as_nnunet(dataset, file_ending=".nii.gz")
    _rename(dataset / "imagesTr", "_0000", 2)
    (dataset / "imagesTr/.DS_Store").write_bytes(b"x")
    (dataset / "imagesTr/._ball_001.nii.gz").write_bytes(b"x")
    (dataset / "labelsTr/desktop.ini").write_bytes(b"x")
    assert [case.case_id for case in read_dataset(dataset).cases] == [
        f"ball_00{number}" for number in range(1, 7)
    ]


def test_images_of_a_second_channel_alone_lead_to_their_labels(dataset: Path) -> None:
    _as_nnunet(dataset, file_ending=".nii.gz")
    _rename(dataset / "imagesTr", "_0001", 1)
    broken = read_dataset(dataset, keep_broken=True).broken
    assert broken["ball_001_0001"] == (
        f"{dataset}/imagesTr/ball_001_0001.nii.gz: image without label; is it that of ball_001.nii.gz? then remove"
        " '_0001' from its name"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"labels": {"background": 0, "whole": [1, 2], "core": 2}},
            "label 'whole' is a region of several values [1, 2]; give each label one whole number,"
            " or segment each region with --objects each",
        ),
        (
            {"modality": ["CT"]},
            "modality ['CT'] is not a name; write for example {'0': 'CT'}",
        ),
    ],
)
def test_entries_of_dataset_json_that_are_not_understood_are_named(
    dataset: Path, fields: dict, message: str
) -> None:
    edit_json(dataset / "dataset.json", lambda content: content.update(fields))
    with pytest.raises(PromiseError) as caught:
        read_dataset(dataset)
    assert str(caught.value) == f"{dataset}/dataset.json: {message}"


def test_values_of_labels_may_be_written_as_texts(dataset: Path) -> None:
    labels = {"background": "0", "tumour": "1"}
    edit_json(dataset / "dataset.json", lambda content: content.update(labels=labels))
    assert choose_target(read_dataset(dataset), None) == (1, "tumour")


def _change(part: str, change: Callable) -> Callable[[Path], None]:
    def changed(dataset: Path) -> None:
        path = dataset / part / f"{CASE}.nii.gz"
        image = nib.load(path)
        nib.save(nib.Nifti1Image(change(np.asanyarray(image.dataobj)), image.affine), path)

    return changed


def _two_layers(dataset: Path) -> None:
    path = dataset / "labelsTr" / f"{CASE}.nii.gz"
    array = np.asanyarray(nib.load(path).dataobj).T
    path.unlink()
    layers = sitk.GetImageFromArray(np.stack([array, array], -1), isVector=True)
    sitk.WriteImage(layers, str(path.with_name(f"{CASE}.seg.nrrd")))


def _metres(dataset: Path) -> None:
    path = dataset / "labelsTr" / f"{CASE}.nii.gz"
    image = nib.load(path)
    image = nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine)
    image.header.set_xyzt_units("meter")
    nib.save(image, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_change("imagesTr", lambda array: array[..., None, None]), ""),
        (_change("labelsTr", lambda array: array[..., None]), ""),
        (
            _change("labelsTr", lambda array: array * np.uint8(255)),
            f"labelsTr/{CASE}.nii.gz: label value 255 is not in dataset.json (0 and 1); correct the label or"
            " dataset.json",
        ),
        (_two_layers, f"labelsTr/{CASE}.seg.nrrd: expected a 3D scan with one channel, found 2"),
        (_metres, "correct the unit in the header"),
    ],
)
def test_scans_and_labels_of_odd_shapes_and_values(
    dataset: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(dataset)
    found = read_dataset(dataset)
    files = next(case for case in found.cases if case.case_id == CASE)
    errors = verify_case(files, found, 1).errors
    assert message in (errors[0] if errors else "")
    assert bool(errors) == bool(message)
