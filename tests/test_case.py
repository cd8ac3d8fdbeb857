"""A case is normalised as the plan says and written whole, and an outdated case is recognised."""

import dataclasses
import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from promise_cli.dataset.case import (
    is_current,
    load_case,
    made_with,
    preprocess_case,
)
from promise_cli.dataset.folder import read_dataset
from promise_cli.dataset.plan import Normalisation, Plan
from promise_cli.dataset.prepare import preprocess_image
from promise_cli.errors import DatasetError
from promise_cli.volume import read_volume
from tests.conftest import edit_json, write_nifti

PLAN = Plan(
    dataset="Task98_Balls",
    target_label=1,
    target_name="tumour",
    modality="CT",
    orientation="RAS",
    spacing=(1.0, 1.0, 1.0),
    patch_size=128,
    normalisation=Normalisation(scheme="dataset", low=-10.0, high=60.0, mean=20.0, std=5.0),
)


def _ramp(tmp_path: Path) -> Path:
    ramp = np.broadcast_to(np.arange(-50, 51, dtype=np.int16)[:, None, None], (101, 3, 3))
    return write_nifti(tmp_path / "ramp.nii.gz", np.ascontiguousarray(ramp), np.eye(4))


def test_intensities_are_clipped_then_centred_and_scaled(tmp_path: Path) -> None:
    image, grid = preprocess_image(read_volume(_ramp(tmp_path)), PLAN)
    assert grid.shape == (101, 3, 3)
    expected = (np.clip(np.arange(-50, 51), -10, 60) - 20) / 5
    np.testing.assert_allclose(image[:, 1, 1], expected, atol=1e-6)


def test_a_scan_without_units_is_normalised_by_its_own_numbers(tmp_path: Path) -> None:
    scheme = dataclasses.replace(PLAN.normalisation, scheme="case")
    plan = dataclasses.replace(PLAN, modality="MRI", normalisation=scheme)
    scan = read_volume(_ramp(tmp_path))
    image, _ = preprocess_image(scan, plan)
    # Nine of the 909 voxels have each value, so that the 0.5 percentile is the lowest value itself.
    clipped = np.clip(np.arange(-50, 51), -50, 50)
    np.testing.assert_allclose(
        image[:, 1, 1], (clipped - clipped.mean()) / clipped.std(), atol=1e-5
    )
    scaled = dataclasses.replace(scan, array=scan.array * 1000 + 7)
    np.testing.assert_allclose(preprocess_image(scaled, plan)[0], image, atol=1e-4)


@pytest.mark.parametrize("scheme", ["dataset", "case"])
def test_integers_are_normalised_like_the_same_values_in_float32(
    tmp_path: Path, scheme: str
) -> None:
    """Preprocessing keeps a file's integers and prediction reads float32; both must see the same image."""
    array = np.random.default_rng(0).integers(-1000, 1000, (30, 31, 16)).astype(np.int16)
    path = write_nifti(tmp_path / "scan.nii.gz", array, np.diag([0.7, 0.8, 2.5, 1]))
    numbers = dataclasses.replace(PLAN.normalisation, scheme=scheme)
    plan = dataclasses.replace(PLAN, normalisation=numbers)
    whole = read_volume(path, keep_integers=True)
    assert whole.array.dtype == np.int16
    expected, _ = preprocess_image(read_volume(path), plan)
    np.testing.assert_allclose(preprocess_image(whole, plan)[0], expected, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 3e38, -7.0])
def test_a_scan_of_one_single_value_stays_finite(tmp_path: Path, value: float) -> None:
    path = write_nifti(tmp_path / "flat.nii.gz", np.full((4, 4, 4), value, np.float32), np.eye(4))
    scheme = dataclasses.replace(PLAN.normalisation, scheme="case")
    image, _ = preprocess_image(read_volume(path), dataclasses.replace(PLAN, normalisation=scheme))
    assert np.isfinite(image).all()


def test_the_scan_itself_is_left_as_it_was(tmp_path: Path) -> None:
    scan = read_volume(_ramp(tmp_path))
    before = scan.array.copy()
    preprocess_image(scan, PLAN)
    np.testing.assert_array_equal(scan.array, before)


@pytest.mark.parametrize("which", ["image", "label"])
def test_a_case_is_stale_when_its_scan_or_label_changes(
    dataset: Path, tmp_path: Path, which: str
) -> None:
    files = read_dataset(dataset).cases[0]
    preprocess_case(files, PLAN, tmp_path / "cases")
    assert is_current(files, PLAN, tmp_path / "cases")
    path = getattr(files, which)
    os.utime(path, ns=(1, 1))  # a new time, but the same bytes
    assert is_current(files, PLAN, tmp_path / "cases")
    content = gzip.compress(gzip.decompress(path.read_bytes()) + b"\0")
    path.write_bytes(content)
    assert not is_current(files, PLAN, tmp_path / "cases")


def _remove(folder: Path) -> None:
    (folder / "image.npy").unlink()


def _truncate(folder: Path) -> None:
    os.truncate(folder / "target.npy", 500)


def _other_format(folder: Path) -> None:
    edit_json(folder / "case.json", lambda record: record.update(format_version=99))


@pytest.mark.parametrize("damage", [_remove, _truncate, _other_format])
def test_a_damaged_case_is_made_again(dataset: Path, tmp_path: Path, damage) -> None:
    files = read_dataset(dataset).cases[0]
    preprocess_case(files, PLAN, tmp_path)
    damage(tmp_path / files.case_id)
    assert not made_with(PLAN, tmp_path / files.case_id)
    assert not is_current(files, PLAN, tmp_path)
    preprocess_case(files, PLAN, tmp_path)
    assert is_current(files, PLAN, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_label_file_without_the_plans_target_is_refused(dataset: Path, tmp_path: Path) -> None:
    files = read_dataset(dataset).cases[0]
    plan = dataclasses.replace(PLAN, target_label=2)
    with pytest.raises(DatasetError, match="the label is empty; run promise-preprocess again"):
        preprocess_case(files, plan, tmp_path / "cases")
    assert not (tmp_path / "cases" / files.case_id).exists()


def test_a_missing_case_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"case_1: no usable case .*; run promise-preprocess again"
    ):
        load_case(tmp_path, "case_1")
