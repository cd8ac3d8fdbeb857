"""Scans that are not in the units of the network, and targets and clicks in air, lead to a question in one line."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from promise_cli.cli import preprocess_app
from promise_cli.dataset.fingerprint.air import check_air
from promise_cli.dataset.plan import Normalisation
from promise_cli.dataset.questions import question_intensities
from promise_cli.predict.doubt import doubt_click, tissue_limits
from promise_cli.predictions.record import describe_click
from promise_cli.prompts import Click
from promise_cli.volume import read_volume
from tests.balls import centre, predict
from tests.channels import write_channels
from tests.conftest import edit_json, write_nifti
from tests.standins import PerfectWindow, plan_of, predictor_of
from tests.test_cli import run

HU = np.linspace(-1000, 1500, 1000).reshape(10, 10, 10)


def numbers(low: float, high: float) -> Normalisation:
    return Normalisation(scheme="dataset", low=low, high=high, mean=(low + high) / 2, std=1)


@pytest.mark.parametrize(
    ("array", "question"),
    [
        (HU, None),
        (HU / 2500 + 0.4, "intensities from 0 to 1 in a CT scan: normalised instead of HU?"),
        (HU + 1024, "intensities from 24 to 2524 in a CT scan: windowed or shifted instead of HU?"),
        (HU * 0, "every voxel is 0; is this the scan?"),
        (
            np.clip(HU, -160, 240),
            "intensities from -160 to 240 in a CT scan, many of them at either end: windowed instead of HU?",
        ),
    ],
)
def test_a_scan_that_is_not_in_hu_is_questioned_as_in_preprocessing(
    array: NDArray[np.float64], question: str | None
) -> None:
    found = question_intensities(array.astype(np.float32), plan_of(32))
    assert found == ([] if question is None else [question])


@pytest.mark.parametrize(
    ("learned", "array", "question"),
    [
        (numbers(0.2, 0.8), HU / 2500 + 0.4, None),
        (
            numbers(0.2, 0.8),
            HU,
            "intensities from -1000 to 1500, where the target had 0.2 to 0.8 in training: not normalised?",
        ),
        (numbers(960, 1200), HU + 1024, None),
        (
            numbers(960, 1200),
            HU,
            "intensities from -1000 to 1500, where the target had 960 to 1200 in training: not shifted?",
        ),
        (numbers(90, 180), np.clip(HU, 0, 255), None),
        (
            numbers(90, 180),
            HU + 1024,
            "intensities from 24 to 2524 in a CT scan: windowed or shifted instead of HU?",
        ),
    ],
)
def test_scans_are_compared_with_those_of_the_training(
    learned: Normalisation, array: NDArray[np.float64], question: str | None
) -> None:
    found = question_intensities(array, plan_of(32, normalisation=learned))
    assert found == ([] if question is None else [question])


def test_scans_without_units_are_questioned_only_if_they_are_empty() -> None:
    scheme = Normalisation(scheme="case", low=0, high=1, mean=0, std=1)
    plan = plan_of(32, modality="MRI", normalisation=scheme)
    assert question_intensities(HU / 2500 + 0.4, plan) == []
    assert question_intensities(HU * 0, plan) == ["every voxel is 0; is this the scan?"]


def test_a_predictor_questions_a_scan_that_it_opens_from_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_nifti(tmp_path / "scan.nii.gz", (HU + 1024).astype(np.int16), np.eye(4) * 4)
    predictor_of(32, PerfectWindow()).open(path)
    assert capsys.readouterr().err == (
        f"warning: {path}: intensities from 24 to 2524 in a CT scan: windowed or shifted instead of HU?\n"
    )


@pytest.mark.usefixtures("balls")
def test_prediction_questions_a_scan_that_is_shifted() -> None:
    image = nib.load("imgs/ball_001.nii.gz")
    shifted = np.asanyarray(image.dataobj) + np.int16(1024)
    nib.save(nib.Nifti1Image(shifted, image.affine, image.header), "imgs/ball_001.nii.gz")
    Path("points.json").write_text(json.dumps({"ball_001": centre(1), "ball_002": centre(2)}))
    done = predict("-p", "points.json")
    (warning,) = [line for line in done.stderr.splitlines() if "instead of HU" in line]
    assert warning.startswith("warning: ball_001: intensities from ")
    assert warning.endswith(" in a CT scan: windowed or shifted instead of HU?")


def test_a_click_on_the_background_of_an_mr_scan_is_questioned(tmp_path: Path) -> None:
    array = np.full((20, 20, 20), 400, np.int16)
    array[..., :10] = np.arange(10)
    scan = read_volume(write_nifti(tmp_path / "scan.nii.gz", array, np.eye(4)))
    scheme = Normalisation(scheme="case", low=0, high=1, mean=0, std=1)
    limits = tissue_limits(scan, plan_of(32, modality="MRI", normalisation=scheme))
    assert limits == (20, math.inf)
    click = Click((2, 3, 4))
    record = describe_click(click, scan, np.zeros(array.shape, np.uint8))
    assert doubt_click(click, record, scan, limits).startswith(
        "the click (2, 3, 4) voxel lies on intensity 4, which looks like air (tissue has 20 or more); is the coordinate"
        " system right?"
    )


def _preprocess(dataset: Path):
    return run(preprocess_app, "98", "--root", dataset.parent, "--workers", "0")


def _with_air_at_the_target(number: int) -> Callable[[Path], None]:
    def change(dataset: Path) -> None:
        image, label = (
            nib.load(dataset / part / f"ball_00{number}.nii.gz")
            for part in ("imagesTr", "labelsTr")
        )
        array = np.asanyarray(image.dataobj).copy()
        array[:4], array[np.asanyarray(label.dataobj) > 0] = -1000, -1000
        nib.save(nib.Nifti1Image(array, image.affine, image.header), image.get_filename())

    return change


def test_a_target_in_air_is_questioned_with_its_label(dataset: Path) -> None:
    _with_air_at_the_target(2)(dataset)
    assert (
        "  ball_002  warning   labelsTr/ball_002.nii.gz: 100% of the target lies in air (below -900 HU): is this the"
        " scan's label?\n"
    ) in _preprocess(dataset).stdout


def test_a_dataset_whose_targets_all_lie_in_air_gets_one_warning(dataset: Path) -> None:
    for number in range(1, 6):
        _with_air_at_the_target(number)(dataset)
    done = _preprocess(dataset)
    assert done.stderr == (
        f"warning: {dataset}: in 5 of 6 cases more than half of the target lies in air, such as in ball_001; unless the"
        " target is an airway, the labels do not lie on their scans\n"
    )
    assert "lies in air" not in done.stdout
    fingerprint = dataset.parent / "preprocessed/Task98_Balls/fingerprint.json"
    assert "lies in air" not in fingerprint.read_text()


def test_a_target_on_the_background_of_an_mr_scan_is_questioned(dataset: Path) -> None:
    edit_json(dataset / "dataset.json", lambda content: content.update(modality={"0": "MRI"}))
    assert "lies in air" not in _preprocess(dataset).output
    label = nib.load(dataset / "labelsTr/ball_003.nii.gz")
    inside = np.asanyarray(label.dataobj) > 0
    array = np.where(inside, 3, 500).astype(np.int16)
    array[0, 0, 0], array[0, 0, 1:20:2] = 0, 900
    nib.save(nib.Nifti1Image(array, label.affine), dataset / "imagesTr/ball_003.nii.gz")
    assert (
        "labelsTr/ball_003.nii.gz: 100% of the target lies in air (below 25, the scan's background): is this the scan's"
        " label?\n"
    ) in _preprocess(dataset).stdout


AIR, FLAT = np.array([-1000.0, 0, 40, 900]), np.array([7.0, 7, 7, 7])
BRIGHT, DARK = np.array([0.0, 500, 900, 800]), np.array([500.0, 0, 900, 800])
"""Channels of four voxels. The target is the first voxel."""


@pytest.mark.parametrize(
    ("names", "channels", "found"),
    [
        (("CT",), (AIR,), "below -900 HU"),
        (("MRI",), (BRIGHT,), "below 44.9, the scan's background"),
        (("PET", "CT"), (DARK, AIR), "below -900 HU in channel 2 (CT)"),
        (("PET", "CT"), (BRIGHT, AIR + 1500), None),
        (("CT", "CT"), (AIR + 1500, AIR), "below -900 HU in channel 2 (CT)"),
        (("T1", "T2"), (BRIGHT, DARK), None),
        (("T1", "T2"), (BRIGHT, BRIGHT), "the background of every channel"),
        (("T1", "T2"), (BRIGHT, FLAT), "the background of every channel"),
        (("T1", "T2"), (FLAT, FLAT), None),
    ],
)
def test_a_target_is_in_air_if_ct_channels_or_all_channels_say_so(
    names: tuple, channels: tuple, found: str | None
) -> None:
    warnings = check_air(
        [one[:, None, None] for one in channels], [one[:1] for one in channels], names
    )
    assert warnings == (
        [f"100% of the target lies in air ({found}): is this the scan's label?"] if found else []
    )


def test_a_target_in_the_air_of_a_second_channel_of_ct_is_questioned(tmp_path: Path) -> None:
    folder = write_channels(tmp_path / "Task98_Balls", "files", 5, 2)
    names = {"0": "T2", "1": "CT"}
    edit_json(folder / "dataset.json", lambda content: content.update(channel_names=names))
    path = folder / "imagesTr" / "ball_002_0001.nii.gz"
    inside = np.asanyarray(nib.load(folder / "labelsTr" / "ball_002.nii.gz").dataobj) > 0
    image = nib.load(path)
    array = np.where(inside, -1000, np.asanyarray(image.dataobj)).astype(np.int16)
    nib.save(nib.Nifti1Image(array, image.affine, image.header), path)
    assert (
        "  ball_002  warning   labelsTr/ball_002.nii.gz: 100% of the target lies in air (below -900 HU in channel 2"
        " (CT)): is this the scan's label?\n"
    ) in _preprocess(folder).stdout
