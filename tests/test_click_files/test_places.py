"""The same place in the body is the same voxel, in whatever format, coordinate system and orientation it was given."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from promise_cli.errors import PromptError
from promise_cli.geometry.grid import Grid
from promise_cli.geometry.resample import target_grid
from promise_cli.prompts import Click, locate_clicks, nearest_voxel, read_prompts
from promise_cli.prompts.places import point_of, voxel_of
from promise_cli.volume import read_volume
from tests.conftest import affine_of, write_nifti
from tests.test_click_files.formats import write_everywhere
from tests.test_volume import ALL_AXES

SHAPE = (9, 10, 11)
VOXEL = (2, 3, 7)


def _oblique(number: int) -> np.ndarray:
    """Return the affine of a random rotation with this seed; 0 gives the identity."""
    affine = np.eye(4)
    if number:
        affine[:3, :3] = Rotation.random(random_state=number).as_matrix()
    return affine


@pytest.mark.parametrize("axes", ALL_AXES)
def test_a_click_means_one_voxel_in_every_format_space_and_affine(
    tmp_path: Path, axes: str
) -> None:
    """Each of the 48 orientations is tested with one straight and ten oblique affines, and 27 files for each."""
    for oblique in range(11):
        affine = _oblique(oblique) @ affine_of(axes, (0.7, 0.8, 2.5), (-101.25, 33.5, 7.125))
        stored = Grid(SHAPE, affine)
        for space in ("voxel", "voxel_zyx", "LPS", "RAS"):
            point = point_of(VOXEL, space, stored)
            np.testing.assert_allclose(voxel_of(point, space, stored), VOXEL, atol=1e-9)
            assert nearest_voxel(point, space, stored) == VOXEL
        files = write_everywhere(tmp_path, np.array(VOXEL), affine)
        assert len(files) == 27
        for path, space in files.items():
            ((click,),) = read_prompts(path, space=space, scans=("scan",)).values()
            assert nearest_voxel(click.point, click.space, stored) == VOXEL, path.name


@pytest.mark.parametrize("axes", ALL_AXES)
def test_every_space_finds_the_bright_voxel_of_a_file(tmp_path: Path, axes: str) -> None:
    """The click passes through the file's header, the turned array and the network's grid."""
    array = np.zeros(SHAPE, np.int16)
    array[VOXEL] = 100
    affine = _oblique(1 + ALL_AXES.index(axes) % 10) @ affine_of(axes, (1.0, 1.0, 1.0), (4, 5, 6))
    scan = read_volume(write_nifti(tmp_path / "scan.nii", array, affine))
    grid = target_grid(scan.grid, (1.0, 1.0, 1.0))
    for space in ("voxel", "voxel_zyx", "LPS", "RAS"):
        x, y, z = point_of(VOXEL, space, Grid(SHAPE, affine)).tolist()
        (ijk,) = locate_clicks([Click((x, y, z), space=space)], scan.stored_grid, grid, "x")
        assert scan.array[tuple(ijk)] == 100


def test_a_click_outside_is_refused_with_its_place_in_the_other_conventions() -> None:
    affine = np.diag([-0.8, -0.8, 2.5, 1.0])
    affine[:3, 3] = (200.0, 200.0, -150.0)
    stored = Grid((512, 512, 110), affine)
    with pytest.raises(PromptError) as caught:
        locate_clicks([Click((60, 300, 150))], stored, stored, "p.json: case a")
    assert str(caught.value) == (
        "p.json: case a: click (60, 300, 150) lies outside the scan of 512 x 512 x 110 voxels; as voxel_zyx it"
        " would be voxel (150, 300, 60), inside; as LPS it would be voxel (325, 625, 120), outside; as RAS it"
        " would be voxel (175, -125, 120), outside; correct the click or its coordinate system (voxels count"
        " from 0)"
    )
    with pytest.raises(
        PromptError, match=r"click \(0, 0, 900\) LPS is voxel \(250, 250, 420\), outs"
    ):
        locate_clicks([Click((0, 0, 900), space="LPS")], stored, stored, "x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300])
@pytest.mark.parametrize("space", ["voxel", "LPS"])
def test_infinite_huge_and_nan_coordinates_lie_outside_the_scan(value: float, space: str) -> None:
    assert nearest_voxel((value, 0, 0), space, Grid(SHAPE, np.eye(4))) is None


def test_rounded_mm_halfway_between_two_voxels_go_to_the_upper_one_like_exact_ones() -> None:
    stored = Grid(SHAPE, affine_of("LPS", (0.7, 0.8, 2.5), (3.3, 2.2, 1.1)))
    place = point_of((2.5, 3.5, 4.5), "LPS", stored)
    assert nearest_voxel(np.round(place, 6), "LPS", stored) == (3, 4, 5)
    assert nearest_voxel((2.5, 3.5, 4.5), "voxel", stored) == (3, 4, 5)
