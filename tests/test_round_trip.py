"""A label is resampled to 1 mm and back onto the scan's own grid, for scans of any orientation."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from promise_cli.geometry.resample import resample, resample_mask, target_grid
from promise_cli.volume import read_label, read_volume, write_mask
from tests.conftest import affine_of, write_nifti
from tests.test_volume import ALL_AXES

SPACING = (0.7, 0.8, 2.5)
RADIUS_MM = 10.0


def _rotated(number: int) -> np.ndarray:
    """Return an oblique affine: one of the 48 orientations, rotated at random with this seed."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.random(random_state=number).as_matrix()
    return turn @ affine_of(ALL_AXES[5 * number % 48], SPACING, (12.0, -34.0, 56.0))


AFFINES = {
    **{axes: affine_of(axes, SPACING, (12.0, -34.0, 56.0)) for axes in ALL_AXES},
    **{f"oblique{number}": _rotated(number) for number in range(10)},
}


def _ball(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """Return the voxels within 10 mm of a point that is not the centre of a voxel."""
    world = np.indices(shape).transpose(1, 2, 3, 0) @ affine[:3, :3].T + affine[:3, 3]
    centre = affine[:3, :3] @ (np.array(shape) / 2 + (0.3, -0.2, 0.1)) + affine[:3, 3]
    return ((world - centre) ** 2).sum(-1) < RADIUS_MM**2


@pytest.mark.parametrize("name", AFFINES)
def test_a_ball_of_10_mm_comes_back_with_a_high_dice_in_every_orientation(
    tmp_path: Path, name: str
) -> None:
    affine = AFFINES[name]
    shape = (44, 40, 13)
    ball = _ball(shape, affine)
    path = write_nifti(tmp_path / "scan.nii.gz", ball.astype(np.uint8), affine)
    scan = read_volume(path)
    label = read_label(path, like=scan).array > 0
    grid = target_grid(scan.grid, (1.0, 1.0, 1.0))
    there = resample_mask(label, grid.shape)
    ml = there.sum() * np.prod(grid.spacing), ball.sum() * np.prod(SPACING)
    assert ml[0] == pytest.approx(ml[1], rel=0.02)
    back = resample(there.astype(np.float32), scan.grid.shape) > 0.5
    write_mask(back, scan, tmp_path / "mask.nii.gz")
    written = nib.load(tmp_path / "mask.nii.gz")
    mask = np.asanyarray(written.dataobj) > 0
    assert 2 * (mask & ball).sum() / (mask.sum() + ball.sum()) >= 0.97
    np.testing.assert_allclose(written.affine, affine, atol=1e-5)
