"""MSD folders are read as they are found in the wild."""

from pathlib import Path

import pytest

from promise_cli.dataset import choose_target, read_dataset
from promise_cli.errors import DatasetError
from tests.conftest import edit_json, write_case


def test_an_msd_folder_is_read(dataset: Path) -> None:
    read = read_dataset(dataset)
    assert (read.name, read.modality, read.labels) == ("Task98_Balls", "CT", {1: "tumour"})
    assert [files.case_id for files in read.cases] == [f"ball_{n:03d}" for n in range(1, 7)]
    assert all(files.image.exists() and files.label.exists() for files in read.cases)


def test_leftovers_of_macos_are_ignored(dataset: Path) -> None:
    (dataset / "imagesTr" / "._ball_001.nii.gz").write_bytes(b"\x00")
    (dataset / "labelsTr" / "._ball_001.nii.gz").write_bytes(b"\x00")
    leftover = {"image": "./imagesTr/._ball_001.nii.gz", "label": "./labelsTr/._ball_001.nii.gz"}
    edit_json(dataset / "dataset.json", lambda content: content["training"].append(leftover))
    assert len(read_dataset(dataset).cases) == 6


def test_nnunet_folders_without_a_list_are_paired_by_name(dataset: Path) -> None:
    def as_nnunet(content: dict) -> None:
        del content["training"], content["modality"]
        content.update(labels={"background": 0, "tumour": 1}, channel_names={"0": "CT"})

    edit_json(dataset / "dataset.json", as_nnunet)
    for image in (dataset / "imagesTr").iterdir():
        image.rename(image.with_name(image.name.replace(".nii.gz", "_0000.nii.gz")))
    read = read_dataset(dataset)
    assert (len(read.cases), read.labels, read.modality) == (6, {1: "tumour"}, "CT")


def test_an_unpacked_file_is_found_under_its_other_suffix(dataset: Path) -> None:
    image = dataset / "imagesTr" / "ball_001.nii.gz"
    image.rename(image.with_name("ball_001.nii"))
    assert read_dataset(dataset).cases[0].image.name == "ball_001.nii"


@pytest.mark.parametrize(
    ("labels", "asked", "expected"),
    [
        ({"1": "pancreas", "2": "cancer"}, None, 2),
        ({"1": "Tumor core", "2": "oedema"}, None, 1),
        ({"1": "colon cancer primaries"}, None, 1),
        ({"1": "Anterior", "2": "Posterior"}, None, 2),
        ({"1": "lung tumour", "2": "liver tumour", "3": "x"}, None, 3),
        ({"1": "Anterior", "2": "Posterior"}, "anterior", 1),
        ({"1": "Anterior", "2": "Posterior"}, "1", 1),
    ],
)
def test_the_target_is_the_one_tumour_else_the_last_label(
    dataset: Path, labels: dict, asked: str | None, expected: int
) -> None:
    edit_json(
        dataset / "dataset.json",
        lambda content: content.update(labels={"0": "background", **labels}),
    )
    assert choose_target(read_dataset(dataset), asked)[0] == expected


def test_an_unknown_target_lists_the_labels(dataset: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        choose_target(read_dataset(dataset), "liver")
    assert (
        str(caught.value) == "Task98_Balls: no label 'liver'; --target-label takes one of: 1 tumour"
    )


def _remove_image(dataset: Path) -> None:
    (dataset / "imagesTr" / "ball_002.nii.gz").unlink()


def _remove_label(dataset: Path) -> None:
    (dataset / "labelsTr" / "ball_002.nii.gz").unlink()


def _stray_label(dataset: Path) -> None:
    write_case(dataset, 9)
    (dataset / "imagesTr" / "ball_009.nii.gz").unlink()


def _list_twice(dataset: Path) -> None:
    edit_json(
        dataset / "dataset.json", lambda content: content["training"].append(content["training"][0])
    )


def _no_labels(dataset: Path) -> None:
    edit_json(dataset / "dataset.json", lambda content: content.pop("labels"))


def _no_cases(dataset: Path) -> None:
    edit_json(dataset / "dataset.json", lambda content: content.update(training=[]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_remove_image, "imagesTr/ball_002.nii.gz: no such image, but ball_002.nii.gz is listed as its label;"
         " add the image or take the case out of dataset.json"),
        (_remove_label, "labelsTr/ball_002.nii.gz: no such label for image ball_002.nii.gz; add the label or"
         " take the case out of dataset.json"),
        (_stray_label, "labelsTr/ball_009.nii.gz: label without image; add imagesTr/ball_009.nii.gz or remove"
         " the label"),
        (_list_twice, "dataset.json: case ball_001 is listed twice in training; list it once"),
        (_no_labels, "dataset.json: no labels; expected for example {'0': 'background', '1': 'tumour'}"),
        (_no_cases, "dataset.json: training lists no case"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_folder_is_named(dataset: Path, damage, message: str) -> None:
    damage(dataset)
    with pytest.raises(DatasetError) as caught:
        read_dataset(dataset)
    assert str(caught.value) == f"{dataset}/{message}"


def test_a_folder_without_dataset_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="none: no such folder"):
        read_dataset(tmp_path / "none")
    with pytest.raises(DatasetError, match=r"no dataset\.json; expected an MSD folder"):
        read_dataset(tmp_path)
