"""The fingerprint describes the cases, and measuring a broken case refuses it."""

from pathlib import Path

import numpy as np
import pytest

from promise_cli.dataset.fingerprint import Histogram, make_fingerprint, measure_case
from promise_cli.dataset.fingerprint.intensities import join_histograms
from promise_cli.dataset.folder import read_dataset
from promise_cli.dataset.plan import Plan, case_key, make_plan
from promise_cli.disk.records import load_record, save_record
from promise_cli.errors import DatasetError
from tests.conftest import affine_of, write_nifti

SHAPE = (6, 6, 6)
AFFINE = affine_of("LPS", (0.5, 1.0, 2.0), (0, 0, 0))


def _two_cases(dataset: Path) -> list:
    """Write and measure two cases whose targets hold 0..99 and 100..199 HU; return the dataset and the measurements."""
    measured = []
    read = read_dataset(dataset)
    for number, files in enumerate(read.cases[:2]):
        image = np.full(SHAPE, -1000, np.int16)
        label = np.zeros(SHAPE, np.uint8)
        image.flat[:100] = np.arange(100) + 100 * number
        label.flat[:100] = 1
        write_nifti(files.image, image, AFFINE)
        write_nifti(files.label, label, AFFINE)
        measured.append(measure_case(files, read, 1))
    return [read, measured]


def test_intensities_are_those_of_the_target_over_all_cases(dataset: Path) -> None:
    read, measured = _two_cases(dataset)
    fingerprint = make_fingerprint(read, "Task98_Balls", (1, "tumour"), measured)
    found = fingerprint.foreground
    # The values are 0..199. Their variance is (200^2 - 1) / 12, and percentiles are interpolated linearly.
    assert found.num_voxels == 200
    assert (found.minimum, found.median, found.maximum) == (0, 99.5, 199)
    assert found.mean == pytest.approx(99.5)
    assert found.std == pytest.approx(np.sqrt((200**2 - 1) / 12))
    assert found.percentile_00_5 == pytest.approx(0.995)
    assert found.percentile_99_5 == pytest.approx(198.005)


def test_the_fingerprint_has_shape_spacing_axes_and_volume_of_a_case(dataset: Path) -> None:
    _, measured = _two_cases(dataset)
    case = measured[0][0]
    assert (case.case_id, case.image) == ("ball_001", "imagesTr/ball_001.nii.gz")
    assert (case.shape, case.spacing, case.axes) == (SHAPE, (0.5, 1.0, 2.0), "LPS")
    assert case.label_voxels == {"1": 100}
    assert case.target_ml == pytest.approx(0.1)
    assert case.warnings[0] == (
        "imagesTr/ball_001.nii.gz: the scan is 3 x 6 x 12 mm wide, where scans are 20 mm to 3 m; are the numbers in the"
        " header cm instead of mm?"
    )


def test_the_plan_clips_at_the_percentiles_and_is_read_back_unchanged(
    dataset: Path, tmp_path: Path
) -> None:
    read, measured = _two_cases(dataset)
    plan = make_plan(make_fingerprint(read, "x", (1, "tumour"), measured))
    assert (plan.spacing, plan.patch_size, plan.orientation) == ((1.0, 1.0, 1.0), 128, "RAS")
    assert (plan.normalisation.low, plan.normalisation.high) == pytest.approx((0.995, 198.005))
    assert plan.normalisation.scheme == "dataset"
    save_record(plan, tmp_path / "plans.json")
    assert load_record(Plan, tmp_path / "plans.json") == plan


def test_magnetic_resonance_is_normalised_by_each_scan(dataset: Path) -> None:
    import dataclasses

    read, measured = _two_cases(dataset)
    read = dataclasses.replace(read, modality="MRI")
    assert (
        make_plan(make_fingerprint(read, "x", (1, "tumour"), measured)).normalisation.scheme
        == "case"
    )


def test_cases_depend_on_all_of_the_plan_except_the_patch_size(dataset: Path) -> None:
    import dataclasses

    read, measured = _two_cases(dataset)
    plan = make_plan(make_fingerprint(read, "x", (1, "tumour"), measured))
    assert case_key(dataclasses.replace(plan, patch_size=64)) == case_key(plan)
    assert case_key(dataclasses.replace(plan, spacing=(1.0, 1.0, 2.0))) != case_key(plan)
    assert case_key(dataclasses.replace(plan, target_label=2)) != case_key(plan)


@pytest.mark.parametrize(
    ("label", "affine", "message"),
    [
        (np.ones((6, 6, 5), np.uint8), AFFINE,
         "6 x 6 x 5 voxels, but its image has 6 x 6 x 6; export the label on the image's grid"),
        (np.ones(SHAPE, np.uint8), affine_of("LPS", (0.5, 1.0, 2.0), (0, 0, 3)),
         "its corners lie up to 3 mm from those of its image (spacing or affine differ); export the label on"
         " the image's grid"),
        (np.ones(SHAPE, np.uint8), affine_of("LPS", (0.5, 1.0, 2.5), (0, 0, 0)),
         "its corners lie up to 2.5 mm from those of its image (spacing or affine differ); export the label on"
         " the image's grid"),
        (np.zeros(SHAPE, np.uint8), AFFINE,
         "the label is empty: no voxel of 1 (tumour); correct it, or leave the case out with --skip-bad"),
        (np.full(SHAPE, 7, np.uint8), AFFINE,
         "label value 7 is not in dataset.json (0 and 1); correct the label or dataset.json"),
        (np.full(SHAPE, 0.5, np.float32), AFFINE,
         "a label must hold whole numbers, found 0.5; is this an image?"),
    ],
)  # fmt: skip
def test_a_label_that_does_not_fit_is_refused(dataset: Path, label, affine, message: str) -> None:
    read, _ = _two_cases(dataset)
    write_nifti(read.cases[0].label, label, affine)
    with pytest.raises(DatasetError) as caught:
        measure_case(read.cases[0], read, 1)
    assert str(caught.value) == f"{read.cases[0].label}: {message}"


def test_a_rounded_affine_counts_as_equal(dataset: Path) -> None:
    read, _ = _two_cases(dataset)
    nearly = AFFINE.copy()
    nearly[0, 3] += 1e-3
    write_nifti(read.cases[0].label, np.ones(SHAPE, np.uint8), nearly)
    assert measure_case(read.cases[0], read, 1)[0].target_ml > 0


def test_numbers_over_cases_equal_those_worked_out_by_hand(dataset: Path) -> None:
    """The target's voxels are 1, 1, 2, 3 in one case and 5, 9 in the other; each voxel counts once."""
    read = read_dataset(dataset)
    measured = []
    for files, values in zip(read.cases, ([1, 1, 2, 3], [5, 9]), strict=False):
        image, label = np.full(SHAPE, -1000, np.int16), np.zeros(SHAPE, np.uint8)
        image.flat[: len(values)] = values
        label.flat[: len(values)] = 1
        write_nifti(files.image, image, AFFINE)
        write_nifti(files.label, label, AFFINE)
        measured.append(measure_case(files, read, 1))
    found = make_fingerprint(read, "x", (1, "tumour"), measured).foreground
    # The mean of 1 1 2 3 5 9 is 21 / 6. Their squares sum to 121, so the variance is 121 / 6 - 3.5^2 = 95 / 12.
    assert (found.num_voxels, found.minimum, found.maximum, found.mean) == (6, 1, 9, 3.5)
    assert found.std == pytest.approx(np.sqrt(95 / 12), rel=1e-12)
    # Counted from 0, 0.5 % is rank 0.025 (between 1 and 1), 99.5 % is 4.975 (between 5 and 9), the median is 2.5.
    assert found.percentile_00_5 == 1
    assert found.percentile_99_5 == pytest.approx(5 + 0.975 * 4, rel=1e-12)
    assert found.median == 2.5


@pytest.mark.parametrize("kind", ["whole", "few", "many"])
def test_a_histogram_gives_the_same_statistics_as_numpy(kind: str) -> None:
    rng = np.random.default_rng(0)
    values = {
        "whole": rng.integers(-1000, 3000, (40, 50, 60)).astype(np.int16),
        "few": rng.normal(40, 30, 5000).astype(np.float32),
        "many": rng.normal(40, 30, 300_000).astype(np.float32),
    }[kind]
    parts = np.array_split(values.ravel(), [values.size // 3])
    joined = join_histograms([Histogram.of(part) for part in parts])
    for histogram in (Histogram.of(values), Histogram.of(np.asfortranarray(values)), joined):
        exact = values.astype(np.float64)
        assert histogram.num_voxels == values.size
        assert (histogram.values[0], histogram.values[-1]) == (exact.min(), exact.max())
        assert histogram.mean == pytest.approx(exact.mean(), rel=1e-12)
        assert histogram.variance == pytest.approx(exact.var(), rel=1e-10)
        percents = [0.5, 50, 99.5]
        expected = np.percentile(exact, percents)
        tolerance = 0.02 if kind == "many" else 1e-9  # the deviation is 30
        np.testing.assert_allclose(histogram.percentiles(percents), expected, atol=tolerance)
        clipped = np.clip(exact, -5, 60)
        np.testing.assert_allclose(
            histogram.clipped(-5, 60), (clipped.mean(), clipped.std()), atol=tolerance
        )
