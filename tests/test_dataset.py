"""MSD and nnU-Net folders are read in the forms in which they occur."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from promise_cli.dataset.folder import choose_target, read_dataset
from promise_cli.errors import DatasetError
from tests.conftest import edit_json, write_case
from tests.scans import write_dicom


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
    _as_nnunet(dataset)
    read = read_dataset(dataset)
    assert (len(read.cases), read.labels, read.modality) == (6, {1: "tumour"}, "CT")


def _as_nnunet(dataset: Path, **more) -> None:
    """Turn an MSD folder into nnU-Net v2's layout."""

    def change(content: dict) -> None:
        del content["training"], content["modality"]
        content.update(labels={"background": 0, "tumour": 1}, channel_names={"0": "CT"}, **more)

    edit_json(dataset / "dataset.json", change)
    for image in (dataset / "imagesTr").iterdir():
        image.rename(image.with_name(image.name.replace(".nii.gz", "_0000.nii.gz")))


def test_nnunets_first_version_lists_images_without_their_channel(dataset: Path) -> None:
    for number, image in enumerate(sorted((dataset / "imagesTr").iterdir())):
        image.rename(image.with_name(image.name.replace(".nii", "_0000.nii")))
        if number == 0:  # a dataset in which one file was decompressed
            packed = image.with_name(image.name.replace(".nii", "_0000.nii"))
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
            packed.unlink()
    read = read_dataset(dataset)
    assert [files.case_id for files in read.cases] == [f"ball_{n:03d}" for n in range(1, 7)]
    assert [files.image.name for files in read.cases][:2] == [
        "ball_001_0000.nii",
        "ball_002_0000.nii.gz",
    ]
    edit_json(dataset / "dataset.json", lambda content: content["training"].pop())
    assert len(read_dataset(dataset).cases) == 5
    image = read.cases[1].image
    image.with_name("ball_002_0001.nii.gz").write_bytes(image.read_bytes())
    with pytest.raises(
        DatasetError, match=r"ball_002_0001.nii.gz: channel 2 of case ball_002, but"
    ):
        read_dataset(dataset)


def test_a_listed_channel_is_found_with_another_suffix(dataset: Path) -> None:
    image = dataset / "imagesTr" / "ball_001.nii.gz"
    (dataset / "imagesTr" / "ball_001_0000.nii").write_bytes(gzip.decompress(image.read_bytes()))
    image.unlink()
    edit_json(
        dataset / "dataset.json",
        lambda content: content["training"][0].update(image="imagesTr/ball_001_0000.nii.gz"),
    )
    (first, *_) = read_dataset(dataset).cases
    assert (first.case_id, first.image.name) == ("ball_001", "ball_001_0000.nii")


@pytest.mark.parametrize("nnunet", [False, True])
def test_backslashes_in_a_list_separate_folders(dataset: Path, nnunet: bool) -> None:
    def change(content: dict) -> None:
        for entry in content["training"]:
            for key in ("image", "label"):
                entry[key] = entry[key].replace("./", ".\\").replace("/", "\\")
        if nnunet:
            content["dataset"] = {
                f"case_{n}": {"images": [entry["image"]], "label": entry["label"]}
                for n, entry in enumerate(content.pop("training"))
            }

    edit_json(dataset / "dataset.json", change)
    read = read_dataset(dataset)
    assert len(read.cases) == 6
    assert all(files.image.parent.name == "imagesTr" for files in read.cases)


@pytest.mark.parametrize("key", ["image", "label"])
def test_a_listed_name_that_no_file_can_have_is_refused(dataset: Path, key: str) -> None:
    name = "imagesTr/" + "x" * 3000
    edit_json(dataset / "dataset.json", lambda content: content["training"][0].update({key: name}))
    with pytest.raises(DatasetError) as caught:
        read_dataset(dataset)
    assert str(caught.value) == (
        f"{dataset / 'dataset.json'}: lists {name[:80]!r}..., which cannot be a file (File name too long); correct it"
    )


def test_files_with_another_ending_than_file_ending_are_ignored(dataset: Path) -> None:
    _as_nnunet(dataset, file_ending=".nii.gz")
    (dataset / "imagesTr" / "notes.nrrd").write_text("")
    assert len(read_dataset(dataset).cases) == 6


def test_nnunets_list_of_files_is_followed(dataset: Path) -> None:
    def lists(content: dict) -> None:
        content["dataset"] = {
            "one": {
                "images": ["imagesTr/ball_001.nii.gz"],
                "label": "labelsTr/ball_001.nii.gz",
            }
        }
        del content["training"]

    edit_json(dataset / "dataset.json", lists)
    for number in range(2, 7):
        (dataset / "labelsTr" / f"ball_{number:03d}.nii.gz").unlink()
    (files,) = read_dataset(dataset).cases
    assert (files.case_id, files.image.name) == ("one", "ball_001.nii.gz")


def test_a_folder_of_dicom_slices_is_an_image(dataset: Path) -> None:
    image = dataset / "imagesTr" / "ball_001.nii.gz"
    image.unlink()
    write_dicom(image.with_name("ball_001"), np.zeros((4, 4, 3), np.int16), np.eye(4))
    assert read_dataset(dataset).cases[0].image == image.with_name("ball_001")
    _as_nnunet(dataset)
    assert read_dataset(dataset).cases[0].image == image.with_name("ball_001")


def test_broken_cases_may_be_listed_instead_of_refused(dataset: Path) -> None:
    _remove_image(dataset)
    _stray_label(dataset)
    read = read_dataset(dataset, keep_broken=True)
    assert [files.case_id for files in read.cases] == [f"ball_{n:03d}" for n in (1, 3, 4, 5, 6)]
    assert list(read.broken) == ["ball_002", "ball_009"]


def _second_channel(dataset: Path) -> None:
    _as_nnunet(dataset)
    image = dataset / "imagesTr" / "ball_003_0000.nii.gz"
    image.with_name("ball_003_0001.nii.gz").write_bytes(image.read_bytes())


def _no_label_of_nnunet(dataset: Path) -> None:
    _as_nnunet(dataset)
    (dataset / "labelsTr" / "ball_004.nii.gz").unlink()


def _labels_with_a_suffix(dataset: Path) -> None:
    _as_nnunet(dataset)
    for path in (dataset / "labelsTr").iterdir():
        path.rename(path.with_name(path.name.replace(".nii", "_seg.nii")))


def _region(dataset: Path) -> None:
    edit_json(dataset / "dataset.json", lambda content: content.update(labels={"whole": [1, 2]}))


def _no_scan_of_that_ending(dataset: Path) -> None:
    _as_nnunet(dataset, file_ending=".nrrd")


def _two_images(dataset: Path) -> None:
    edit_json(
        dataset / "dataset.json",
        lambda content: (
            content.update(dataset={"one": {"images": ["a", "b"], "label": "c"}})
            or content.pop("training")
        ),
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_second_channel, "imagesTr/ball_003_0001.nii.gz: channel 2 of case ball_003, but dataset.json declares"
         " one channel; declare all of them, or keep one file per case"),
        (_no_label_of_nnunet, "imagesTr/ball_004_0000.nii.gz: image without label; add labelsTr/ball_004.nii.gz or"
         " remove it"),
        (_labels_with_a_suffix, "imagesTr/ball_001_0000.nii.gz: image without label; is it that of ball_001_seg.nii.gz?"
         " then give both the same name"),
        (_region, "dataset.json: label 'whole' is a region of several values [1, 2]; give each label one whole"
         " number, or segment each region with --objects each"),
        (_no_scan_of_that_ending, "imagesTr: no scan ending in .nrrd; scans end in .nii.gz, .nii, .nrrd, .mha or"
         " .mhd, or are a folder of DICOM slices"),
        (lambda dataset: _as_nnunet(dataset, file_ending=".png"), "dataset.json: file_ending '.png' is not supported;"
         " scans end in .nii.gz, .nii, .nrrd, .mha or .mhd, or are a folder of DICOM slices"),
        (lambda dataset: _as_nnunet(dataset, modality=5), "dataset.json: modality 5 is not a name; write for example"
         " {'0': 'CT'}"),
        (_two_images, "dataset.json: case one has 2 images, but one channel is declared; list one"
         " image per case"),
    ],
)  # fmt: skip
def test_a_bad_nnunet_folder_is_refused_with_the_reason(dataset: Path, damage, message) -> None:
    damage(dataset)
    with pytest.raises(DatasetError) as caught:
        read_dataset(dataset)
    assert str(caught.value) == f"{dataset}/{message}"


def test_an_uncompressed_file_is_found_under_its_other_suffix(dataset: Path) -> None:
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
def test_the_target_is_the_only_tumour_or_else_the_last_label(
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
         " add the image or remove the case from dataset.json"),
        (_remove_label, "labelsTr/ball_002.nii.gz: no such label for image ball_002.nii.gz; add the label or"
         " remove the case from dataset.json"),
        (_stray_label, "labelsTr/ball_009.nii.gz: label without image; add imagesTr/ball_009.nii.gz or remove"
         " the label"),
        (_list_twice, "dataset.json: case ball_001 is listed twice in training; list it once"),
        (_no_labels, "dataset.json: no labels; expected for example {'0': 'background', '1': 'tumour'}"),
        (_no_cases, "dataset.json: lists no case in training or dataset; list at least one"),
    ],
)  # fmt: skip
def test_a_bad_msd_folder_is_refused_with_the_reason(dataset: Path, damage, message: str) -> None:
    damage(dataset)
    with pytest.raises(DatasetError) as caught:
        read_dataset(dataset)
    assert str(caught.value) == f"{dataset}/{message}"


def test_a_folder_without_dataset_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="none: no such folder"):
        read_dataset(tmp_path / "none")
    with pytest.raises(DatasetError, match=r"no dataset\.json; expected an MSD folder"):
        read_dataset(tmp_path)
