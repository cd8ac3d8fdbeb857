"""Measurements of several targets are kept next to each other, and those of earlier versions are still read."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from promise_cli.dataset.fingerprint import Measurements, measurement_file, measurements
from promise_cli.dataset.folder import CaseFiles, Dataset, read_dataset
from promise_cli.dataset.objects import choose_objects
from tests.shapes import SHAPES, write_shapes

PATH = Path("measured") / "c_1.npz"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Return a dataset with a ball (1) and a box (2) in each scan."""
    return read_dataset(write_shapes(tmp_path / SHAPES, 2))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the cases that are read and measured from now on."""
    found: list[str] = []
    verify = measurements.verify_case

    def note(files: CaseFiles, *arguments: object):
        found.append(files.case_id)
        return verify(files, *arguments)

    monkeypatch.setattr(measurements, "verify_case", note)
    monkeypatch.setattr("promise_cli.dataset.fingerprint.source.SETTLED_SECONDS", 0.0)
    return found


def stores(folder: Path, dataset: Dataset) -> list[Measurements]:
    """Return the measurements of three plans: of the ball, of the box, and of both as objects."""
    objects = choose_objects(dataset, ["each"])
    return [
        Measurements(folder, dataset, 1),
        Measurements(folder, dataset, 2),
        Measurements(folder, dataset, (1, 2), objects),
    ]


def test_plans_with_different_targets_keep_their_measurements_side_by_side(
    dataset: Dataset, tmp_path: Path, read: list[str]
) -> None:
    (files, _), plans = dataset.cases, stores(tmp_path, dataset)
    first = [plan.measure(files, wait=True).measurement for plan in plans]
    assert len(read) == 3
    for plan, expected in [*zip(plans, first, strict=True)] * 2:
        found = plan.find(files).measurement
        assert found.case == expected.case
        np.testing.assert_array_equal(found.target.values, expected.target.values)
        np.testing.assert_array_equal(found.target.counts, expected.target.counts)
        assert plan.measure(files, wait=True).measurement.case == expected.case
    assert len(read) == 3
    assert len({one.case.target_ml for one in first}) == 3


def test_only_the_last_targets_are_kept(
    dataset: Dataset, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement_file, "MOST_TARGETS", 2)
    (files, _), plans = dataset.cases, stores(tmp_path, dataset)
    for plan in plans:
        plan.measure(files, wait=True)
    assert [plan.find(files) is not None for plan in plans] == [False, True, True]
    assert len(read) == 3
    assert [path.name for path in (tmp_path / "measured").iterdir()] == [PATH.name]


def test_measurements_of_a_scan_that_changed_are_not_kept(
    dataset: Dataset, tmp_path: Path, read: list[str]
) -> None:
    files, other = dataset.cases
    ball, box, _ = stores(tmp_path, dataset)
    box.measure(files, wait=True)
    shutil.copy(other.image, files.image)
    ball.measure(files, wait=True)
    assert len(read) == 2
    with np.load(tmp_path / PATH) as content:
        assert sorted(content.files) == ["counts", "record", "values"]


def test_a_measurement_of_an_earlier_version_is_read_and_kept(
    dataset: Dataset, tmp_path: Path, read: list[str]
) -> None:
    """Earlier versions kept the measurement of one target under the names that the latest one has now."""
    (files, _), (ball, box, _) = dataset.cases, stores(tmp_path, dataset)
    ball.measure(files, wait=True)
    with np.load(tmp_path / PATH) as content:
        assert sorted(content.files) == ["counts", "record", "values"]
    box.measure(files, wait=True)
    assert len(read) == 2
    assert ball.find(files) is not None


def test_a_damaged_file_of_measurements_is_made_again(
    dataset: Dataset, tmp_path: Path, read: list[str]
) -> None:
    (files, _), (ball, box, _) = dataset.cases, stores(tmp_path, dataset)
    ball.measure(files, wait=True)
    (tmp_path / PATH).write_bytes(b"PK")
    assert ball.find(files) is None
    box.measure(files, wait=True)
    assert box.find(files) is not None
    assert len(read) == 2
