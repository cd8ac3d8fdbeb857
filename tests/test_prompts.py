"""Clicks are read exactly, land on the intended voxel, and are drawn inside or outside the target as asked."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.errors import PromptError
from promise_cli.geometry.grid import Grid
from promise_cli.geometry.resample import target_grid
from promise_cli.predictions.record import describe_click
from promise_cli.prompts import Click, draw_clicks, locate_clicks, read_prompts, unknown_case
from promise_cli.prompts.places import format_point
from promise_cli.volume import Volume, read_volume
from tests.conftest import OBLIQUE, affine_of, write_nifti
from tests.test_volume import ALL_AXES


def _write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_one_click_or_several_are_read_by_case(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.json", {"a": [1, 2, 3], "b_0000.nii.gz": [[4, 5.5, 6], [7, 8, 9]]})
    assert read_prompts(path) == {
        "a": (Click((1, 2, 3)),),
        "b": (Click((4, 5.5, 6)), Click((7, 8, 9))),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], 'expected clicks by case, such as {"case_001": [256, 301, 42]}'),
        ({}, 'expected clicks by case, such as {"case_001": [256, 301, 42]}'),
        (
            {"@schema": "x", "markups": []},
            "holds nothing; expected a point list of 3D Slicer (Fiducial)",
        ),
        ({"a": [1, 2]}, "case a: expected a click [i, j, k] of three numbers, found [1, 2]"),
        (
            {"a": [1, 2, "3"]},
            "case a: expected a click [i, j, k] of three numbers, found [1, 2, '3']",
        ),
        (
            {"a": [1, 2, float("nan")]},
            "case a: expected a click [i, j, k] of three numbers, found [1, 2, nan]",
        ),
        (
            {"a": [1, 2, True]},
            "case a: expected a click [i, j, k] of three numbers, found [1, 2, True]",
        ),
        ({"a": []}, "case a: expected a click [i, j, k] of three numbers, found []"),
        ({"a": "1 2 3"}, "case a: expected a click [i, j, k] of three numbers, found '1 2 3'"),
        ({"a": [[1, 2, 3], 4]}, "case a: expected a click [i, j, k] of three numbers, found 4"),
        (
            {"a": [1, 2, 3], "a.nii.gz": [1, 2, 3]},
            "case a is listed twice; give its clicks as one list",
        ),
    ],
)
def test_a_value_that_is_no_click_is_refused(tmp_path: Path, content: object, message: str) -> None:
    path = _write(tmp_path / "p.json", content)
    with pytest.raises(PromptError) as caught:
        read_prompts(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_missing_file_and_a_case_named_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="no such file"):
        read_prompts(tmp_path / "none.json")
    path = tmp_path / "p.json"
    path.write_text('{"a": [1, 2, 3], "a": [4, 5, 6]}')
    with pytest.raises(PromptError, match="'a' is named twice"):
        read_prompts(path)


@pytest.mark.parametrize("axes", ALL_AXES)
def test_a_click_lands_on_the_intended_voxel_in_every_orientation(
    tmp_path: Path, axes: str
) -> None:
    array = np.zeros((9, 10, 11), np.int16)
    array[2, 3, 7] = 100
    affine = OBLIQUE @ affine_of(axes, (1.0, 1.0, 1.0), (4, 5, 6))
    scan = read_volume(write_nifti(tmp_path / "scan.nii", array, affine))
    grid = target_grid(scan.grid, (1.0, 1.0, 1.0))
    assert grid.shape == scan.grid.shape
    (ijk,) = locate_clicks([Click((2, 3, 7))], scan.stored_grid, grid, "x")
    assert scan.array[tuple(ijk)] == 100


def test_a_fraction_of_a_voxel_goes_to_the_nearest_one() -> None:
    grid = Grid((10, 10, 10), np.eye(4))
    found = locate_clicks([Click((1.4, 2.6, 9.4)), Click((-0.4, 0, 0))], grid, grid, "x")
    np.testing.assert_array_equal(found, [[1, 3, 9], [0, 0, 0]])


@pytest.mark.parametrize(
    ("ijk", "zyx"),
    [
        ((-1, 0, 0), "(0, 0, -1)"),
        ((10, 0, 0), "(0, 0, 10)"),
        ((0, 0, 9.5), "(10, 0, 0)"),
        ((1e9, 0, 0), "(0, 0, 1e+09)"),
    ],
)
def test_a_click_outside_the_scan_is_refused_with_its_place_in_other_spaces(
    ijk: tuple[float, float, float], zyx: str
) -> None:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[:3, 3] = (2e9, 2e9, 2e9)
    grid = Grid((10, 10, 10), affine)
    with pytest.raises(PromptError) as caught:
        locate_clicks([Click(ijk)], grid, grid, "p.json: case a")
    shown = ", ".join(f"{value:g}" for value in ijk)
    x, y, z = (np.floor(value + 0.5) for value in ijk)
    lps = f"({2e9 + x:g}, {2e9 + y:g}, {z - 2e9:g})"
    ras = f"({2e9 - x:g}, {2e9 - y:g}, {z - 2e9:g})"
    assert str(caught.value) == (
        f"p.json: case a: click ({shown}) lies outside the scan of 10 x 10 x 10 voxels; as voxel_zyx"
        f" it would be voxel {zyx}, outside; as LPS it would be voxel {lps}, outside; as RAS it would be voxel"
        f" {ras}, outside; correct the click or its coordinate system (voxels count from 0)"
    )


def test_an_unknown_case_is_refused_with_the_nearest_names() -> None:
    message = unknown_case(
        Path("p.json"), "case_01", ["case_001", "case_010", "liver"], Path("imgs")
    )
    assert message == (
        "p.json: case case_01 has no scan in imgs; nearest names: case_010, case_001; correct the name or add"
        " the scan"
    )


def test_drawn_clicks_lie_in_the_target_and_in_its_background() -> None:
    target = np.zeros((8, 8, 8), np.uint8)
    target[2:5, 2:5, 2:5] = 1
    clicks, labels = draw_clicks(target, np.random.default_rng(0), 10, 7)
    assert labels.tolist() == [1] * 10 + [0] * 7
    hit = target[tuple(clicks.astype(int).T)]
    np.testing.assert_array_equal(hit, labels)
    assert len({tuple(click) for click in clicks}) == 17


def test_an_empty_target_gets_background_clicks_and_padding() -> None:
    _, labels = draw_clicks(np.zeros((4, 4, 4), np.uint8), np.random.default_rng(0), 3, 2)
    assert labels.tolist() == [0, 0, -1, -1, -1]


def test_a_target_of_one_voxel_is_clicked_again_and_again() -> None:
    target = np.zeros((4, 4, 4), np.uint8)
    target[1, 2, 3] = 1
    clicks, labels = draw_clicks(target, np.random.default_rng(0), 3, 0)
    assert labels.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(clicks, [[1, 2, 3]] * 3)


def test_background_clicks_anywhere_may_fall_on_the_target() -> None:
    target = np.ones((3, 3, 3), np.uint8)
    _, labels = draw_clicks(target, np.random.default_rng(0), 0, 5, anywhere=True)
    assert labels.tolist() == [0] * 5
    _, labels = draw_clicks(target, np.random.default_rng(0), 0, 5)
    assert labels.tolist() == [-1] * 5


def test_a_coordinate_of_zero_has_no_sign() -> None:
    assert format_point((-0.0, 0.0, 0.5)) == "(0, 0, 0.5)"
    axes, grid = nib.orientations.io_orientation(np.eye(4)), Grid((3, 3, 3), np.eye(4))
    scan = Volume(np.zeros((3, 3, 3)), grid, grid, axes, nib.Nifti1Header())
    record = describe_click(Click((0, 0, 0)), scan, np.zeros((3, 3, 3), np.uint8))
    assert "-0.0" not in str(record)
