"""Datasets whose scans have several channels are read, verified and preprocessed, in every layout."""

import dataclasses
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.cli import preprocess_app
from promise_cli.dataset.case import CaseRecord, load_case
from promise_cli.dataset.changed import changed_files
from promise_cli.dataset.fingerprint import Fingerprint
from promise_cli.dataset.folder import read_dataset
from promise_cli.dataset.plan import Plan, case_key
from promise_cli.dataset.prepare import preprocess_image
from promise_cli.disk.records import load_record, record_from_json, record_to_json
from promise_cli.errors import DatasetError, PlanError
from promise_cli.preprocess.command import preprocess
from promise_cli.preprocess.memory import estimate_peak
from promise_cli.volume import read_volume
from tests.channels import NAMES, write_channels
from tests.conftest import DATASET, affine_of, edit_json, write_dataset, write_nifti
from tests.test_cli import run

LAYOUTS = ("one_file", "files", "listed", "msd_files")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with the first channel alone; tests may only read it."""
    root = tmp_path_factory.mktemp("alone")
    write_dataset(root / "Task98_Balls", 5)
    preprocess("98", root=root, workers=0)
    return root


@pytest.mark.parametrize("layout", [*LAYOUTS, pytest.param("dicom", marks=pytest.mark.slow)])
def test_the_first_channel_is_preprocessed_as_a_scan_of_one_channel(
    tmp_path: Path, alone: Path, layout: str
) -> None:
    write_channels(tmp_path / "Task98_Balls", layout, 5)
    found = preprocess("98", root=tmp_path, workers=0)
    expected = load_record(Plan, alone / DATASET / "plans.json")
    assert found.plan.normalisation == expected.normalisation
    assert [channel.modality for channel in found.plan.channels] == list(NAMES)
    schemes = [channel.normalisation.scheme for channel in found.plan.channels]
    assert schemes == ["dataset", "case", "case"]
    for case_id in ("ball_001", "ball_002"):
        one = load_case(alone / DATASET / "cases", case_id)
        several = load_case(tmp_path / DATASET / "cases", case_id)
        assert several.image.shape == (3, *one.image.shape)
        np.testing.assert_array_equal(several.image[0], one.image)
        np.testing.assert_array_equal(several.target, one.target)
        assert one.channels.shape == (1, *one.image.shape)
        scan = read_volume(alone / "Task98_Balls" / "imagesTr" / f"{case_id}.nii.gz")
        second = dataclasses.replace(scan, array=1000 + 3 * scan.array)
        alike, _ = preprocess_image(second, by_itself(expected), np.float16)
        np.testing.assert_array_equal(several.image[1], alike)
    assert preprocess("98", root=tmp_path, workers=0).num_new == 0


def by_itself(plan: Plan) -> Plan:
    normalisation = dataclasses.replace(plan.normalisation, scheme="case")
    return dataclasses.replace(plan, normalisation=normalisation)


def test_the_record_of_a_case_names_its_channels_and_the_fingerprint_measures_them(
    tmp_path: Path,
) -> None:
    write_channels(tmp_path / "Task98_Balls", "files", 5)
    preprocess("98", root=tmp_path, workers=0)
    record = load_record(CaseRecord, tmp_path / DATASET / "cases" / "ball_001" / "case.json")
    assert record.channels == 3
    assert len(record.shape) == 3
    fingerprint = load_record(Fingerprint, tmp_path / DATASET / "fingerprint.json")
    assert [channel.modality for channel in fingerprint.further_channels] == ["T2", "ADC"]
    first, second = fingerprint.foreground, fingerprint.further_channels[0].foreground
    assert second.num_voxels == first.num_voxels
    assert second.median == 1000 + 3 * first.median
    assert fingerprint.cases[0].further_images == tuple(
        f"imagesTr/ball_001_000{number}.nii.gz" for number in (1, 2)
    )


def test_a_changed_channel_is_measured_and_preprocessed_again(tmp_path: Path) -> None:
    folder = write_channels(tmp_path / "Task98_Balls", "files", 5)
    preprocess("98", root=tmp_path, workers=0)
    path = folder / "imagesTr" / "ball_002_0002.nii.gz"
    image = nib.load(path)
    write_nifti(path, np.asanyarray(image.dataobj) + np.int16(7), image.affine)
    changes = changed_files(tmp_path / DATASET, tmp_path, ["ball_001", "ball_002"])
    assert [(change.case_id, change.path) for change in changes] == [("ball_002", path)]
    assert preprocess("98", root=tmp_path, workers=0).num_new == 1


def test_a_plan_of_one_channel_has_the_key_that_it_had_before(alone: Path) -> None:
    plan = load_record(Plan, alone / DATASET / "plans.json")
    content = record_to_json(plan)
    assert content.pop("further_channels") == []
    before = record_from_json(Plan, content, "")
    assert before == plan
    assert case_key(before) == case_key(plan)


def no_third(folder: Path) -> None:
    (folder / "imagesTr" / "ball_001_0002.nii.gz").unlink()


def no_second(folder: Path) -> None:
    (folder / "imagesTr" / "ball_001_0001.nii.gz").unlink()


def moved(folder: Path) -> None:
    path = folder / "imagesTr" / "ball_001_0001.nii.gz"
    image = nib.load(path)
    affine = image.affine.copy()
    affine[2, 3] += 4
    write_nifti(path, np.asanyarray(image.dataobj), affine)


def four(folder: Path) -> None:
    edit_json(folder / "dataset.json", lambda content: content["channel_names"].update({"3": "x"}))


def flat(folder: Path) -> None:
    write_nifti(folder / "imagesTr" / "ball_001.nii.gz", np.zeros((4, 4, 4, 2)), np.eye(4))


ADVICE = "or give one file with all channels"


@pytest.mark.parametrize(
    ("layout", "damage", "line"),
    [
        ("files", no_third, "imagesTr/ball_001_0000.nii.gz: a scan of 2 channels, but 3 channels are needed (CT, T2,"
         f" ADC); add ball_001_0002.nii.gz, {ADVICE}"),
        ("files", no_second, "imagesTr/ball_001_0000.nii.gz: a scan of 1 channel, but 3 channels are needed (CT, T2,"
         f" ADC); add ball_001_0001.nii.gz, {ADVICE}"),
        ("msd_files", no_third, "imagesTr/ball_001_0000.nii.gz: a scan of 2 channels, but 3 channels are needed (CT,"
         f" T2, ADC); add ball_001_0002.nii.gz, {ADVICE}"),
        ("listed", no_third, "imagesTr/ball_001_0002.nii.gz: no such image, but dataset.json lists it as a channel; add"
         " the image or remove the case"),
        ("files", moved, "imagesTr/ball_001_0001.nii.gz: channel 2 of case ball_001: its corners lie up to 4 mm from"
         " those of channel 1 (spacing or affine differ); resample it to the grid of channel 1"),
        ("files", four, "imagesTr/ball_001_0000.nii.gz: a scan of 3 channels, but 4 channels are needed (CT, T2, ADC,"
         f" x); add ball_001_0003.nii.gz, {ADVICE}"),
        ("one_file", flat, "imagesTr/ball_001.nii.gz: a scan of 2 channels, but 3 channels are needed (CT, T2, ADC);"
         " give one file with exactly these channels"),
    ],
)  # fmt: skip
def test_a_case_with_wrong_channels_is_refused_with_this_line(
    tmp_path: Path, layout: str, damage, line: str
) -> None:
    folder = write_channels(tmp_path / "Task98_Balls", layout, 2)
    damage(folder)
    done = run(preprocess_app, "98", "--root", tmp_path, "--workers", "0")
    assert done.exit_code == 1
    assert f"  ball_001  error     {line}\n" in done.output


def test_a_case_without_one_of_its_channels_can_be_left_out(tmp_path: Path) -> None:
    no_third(write_channels(tmp_path / "Task98_Balls", "files", 6))
    preprocess("98", root=tmp_path, workers=0, skip_bad=True)
    there = sorted(path.name for path in (tmp_path / DATASET / "cases").iterdir())
    assert there == [f"ball_00{number}" for number in range(2, 7)]


def test_channels_are_announced_and_each_is_questioned_by_its_own_kind(tmp_path: Path) -> None:
    folder = write_channels(tmp_path / "Task98_Balls", "one_file", 5)
    edit_json(folder / "dataset.json", lambda content: content["modality"].update({"2": "CT"}))
    done = run(preprocess_app, "98", "--root", tmp_path, "--workers", "0")
    assert done.exit_code == 0
    assert "channels: 3 (CT, T2, CT)\n" in done.output
    assert "channel 3 (CT): intensities from 0 to 49 in a CT scan" in done.output
    assert "\nchannel 2 (T2): each scan is normalised by its own percentiles" in done.output
    assert "\nchannel 3 (CT): clip 0 to 49, mean" in done.output


def test_warnings_about_channels_that_differ_from_the_plan_say_which_they_are(
    tmp_path: Path,
) -> None:
    folder = write_channels(tmp_path / "Task98_Balls", "one_file", 5)
    edit_json(folder / "dataset.json", lambda it: it.update(modality={"0": "CT", "1": "", "2": ""}))
    done = run(preprocess_app, "98", "--root", tmp_path, "--workers", "0")
    for number in (2, 3):
        assert f"\nchannel {number} (without a name): each scan is normalised by" in done.output
    edit_json(folder / "dataset.json", lambda it: it["modality"].update({"2": "ADC"}))
    numbers = {"scheme": "dataset", "low": 5000, "high": 6000, "mean": 5500, "std": 1}
    plans = tmp_path / DATASET / "plans.json"
    edit_json(plans, lambda it: it["further_channels"][0].update(normalisation=numbers))
    done = run(preprocess_app, "98", "--root", tmp_path, "--workers", "0")
    assert done.exit_code == 0
    assert f"{plans}: channel 2 (without a name): clips intensities to 5000 to 6000" in done.output
    assert (
        f"{plans}: channel 3: planned for no modality, but dataset.json now says ADC" in done.output
    )


def test_a_plan_for_another_number_of_channels_is_not_kept(tmp_path: Path) -> None:
    folder = write_channels(tmp_path / "Task98_Balls", "files", 5)
    preprocess("98", root=tmp_path, workers=0)
    for path in (folder / "imagesTr").glob("*_0002.nii.gz"):
        path.unlink()
    edit_json(folder / "dataset.json", lambda content: content["channel_names"].pop("2"))
    with pytest.raises(PlanError, match=r"planned for 3 channels, but dataset.json now declares 2"):
        preprocess("98", root=tmp_path, workers=0)
    assert preprocess("98", root=tmp_path, workers=0, overwrite=True).num_new == 5


@pytest.mark.parametrize(
    ("channels", "names"),
    [
        ({"0": "CT", "1": "PET"}, ("CT", "PET")),
        ({"1": "PET", "0": "CT"}, ("CT", "PET")),
        ({"10": "c", "2": "b", "0": "CT"}, ("CT", "b", "c")),
        ({}, ("",)),
        ("CT", ("CT",)),
    ],
)
def test_channels_are_named_in_the_order_of_their_numbers(
    dataset: Path, channels: object, names: tuple[str, ...]
) -> None:
    edit_json(dataset / "dataset.json", lambda content: content.update(modality=channels))
    assert read_dataset(dataset).channels == names


def test_a_dataset_of_too_many_channels_is_refused(dataset: Path) -> None:
    many = {str(number): "x" for number in range(65)}
    edit_json(dataset / "dataset.json", lambda content: content.update(modality=many))
    with pytest.raises(DatasetError, match="declares 65 channels, but at most 64 are supported"):
        read_dataset(dataset)


def test_a_file_with_a_label_of_its_own_is_no_channel(tmp_path: Path) -> None:
    folder = write_channels(tmp_path / "Task98_Balls", "files", 5)
    label = folder / "labelsTr" / "ball_001.nii.gz"
    (label.with_name("ball_001_0002.nii.gz")).write_bytes(label.read_bytes())
    found = {case.case_id: case for case in read_dataset(folder).cases}
    assert set(found) == {f"ball_00{number}" for number in range(1, 6)} | {"ball_001_0002"}
    assert len(found["ball_001"].images) == 2


@pytest.mark.parametrize("layout", ["one_file", "files"])
def test_the_estimate_of_memory_grows_with_the_channels(tmp_path: Path, layout: str) -> None:
    sizes = []
    for number in (2, 3):
        folder = tmp_path / str(number) / "Task98_Balls"
        write_channels(folder, layout, 1, number)
        (files,) = read_dataset(folder).cases
        sizes.append(estimate_peak(files, (0.1, 0.1, 0.1)))
    assert sizes[1] > sizes[0]


@pytest.mark.parametrize("number", [2, 3])
def test_the_disk_space_that_is_announced_holds_all_channels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    write_channels(tmp_path / "Task98_Balls", "one_file", 5, number)
    preprocess("98", root=tmp_path, workers=0)
    found = re.search(r"disk: 5 cases need about (\d+) kB", capsys.readouterr().out)
    written = sum(path.stat().st_size for path in (tmp_path / DATASET).rglob("*.npy"))
    assert 1000 * int(found[1]) == pytest.approx(written, rel=0.1)


def test_arrays_with_channels_that_the_plan_does_not_have_are_made_again(tmp_path: Path) -> None:
    write_channels(tmp_path / "Task98_Balls", "one_file", 5)
    preprocess("98", root=tmp_path, workers=0)
    case = tmp_path / DATASET / "cases" / "ball_001"
    np.save(case / "image.npy", np.load(case / "image.npy")[:2])
    assert preprocess("98", root=tmp_path, workers=0).num_new == 1
    assert json.loads((case / "case.json").read_text())["channels"] == 3
    assert np.load(case / "image.npy", mmap_mode="r").shape[0] == 3


def test_anisotropic_channels_are_resampled_to_the_same_millimetres(tmp_path: Path) -> None:
    folder = tmp_path / "Task98_Balls"
    write_channels(folder, "one_file", 5, 2)
    affine = affine_of("PIR", (0.6, 3.0, 1.5), (5, 6, 7))
    array = np.zeros((20, 10, 12, 2), np.int16)
    array[..., 0] = np.arange(10)[None, :, None]  # rises along the second axis of the file
    array[..., 1] = np.arange(10)[None, :, None] * 5 + 3
    write_nifti(folder / "imagesTr" / "ball_001.nii.gz", array, affine)
    label = np.zeros(array.shape[:3], np.uint8)
    label[8:12, 4:7, 4:8] = 1
    write_nifti(folder / "labelsTr" / "ball_001.nii.gz", label, affine)
    names = {"0": "T1", "1": "T2"}
    edit_json(folder / "dataset.json", lambda content: content.update(modality=names))
    preprocess("98", root=tmp_path, workers=0)
    case = load_case(tmp_path / DATASET / "cases", "ball_001")
    assert sorted(case.target.shape) == [12, 18, 30]
    np.testing.assert_allclose(case.image[0].astype(float), case.image[1].astype(float), atol=2e-3)
