"""The click on an error lies where a mask is wrong most deeply, by answers that a person can draw."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from promise_cli.train.deepest_error import deepest_error


def _cubes(*cubes: tuple[int, int], edge: int = 24) -> Tensor:
    """Booleans, true in cubes of `(first voxel on the diagonal, edge)`."""
    mask = torch.zeros(edge, edge, edge, dtype=torch.bool)
    for first, length in cubes:
        mask[(slice(first, first + length),) * 3] = True
    return mask


NOTHING = _cubes()


def test_a_missed_cube_is_clicked_in_its_middle_as_foreground() -> None:
    voxel, sign = deepest_error(_cubes((3, 7)), NOTHING, 0.5)
    assert (voxel.tolist(), int(sign)) == ([6.0, 6.0, 6.0], 1)
    assert (voxel.dtype, sign.dtype, sign.shape) == (torch.float32, torch.int64, ())


def test_an_added_cube_is_clicked_in_its_middle_as_background() -> None:
    voxel, sign = deepest_error(_cubes((3, 7)), _cubes((3, 7), (12, 9)), 0.5)
    assert (voxel.tolist(), int(sign)) == ([16.0, 16.0, 16.0], 0)


def test_the_deeper_error_is_clicked_though_the_other_has_more_voxels() -> None:
    plate = NOTHING.clone()
    plate[:, :, 22] = True  # 576 voxels, one voxel thick
    voxel, sign = deepest_error(plate, _cubes((4, 5)), 0.5)
    assert (voxel.tolist(), int(sign)) == ([6.0, 6.0, 6.0], 0)


def test_of_equally_deep_errors_the_one_with_more_voxels_is_clicked() -> None:
    missed, added = _cubes((2, 3)), _cubes((10, 3), (16, 3))
    assert int(deepest_error(missed, added, 0.5).sign) == 0
    assert int(deepest_error(added, missed, 0.5).sign) == 1


def test_of_equally_deep_places_the_one_in_the_larger_part_is_clicked() -> None:
    stray = NOTHING.clone()
    stray[1, 1, 1] = True
    stray[12:20, 12:20, 15] = True
    voxel, _ = deepest_error(stray, NOTHING, 0.0)
    assert voxel[2] == 15


def test_equal_masks_give_padding() -> None:
    for mask in (NOTHING, _cubes((3, 7))):
        voxel, sign = deepest_error(mask, mask, 0.9)
        assert (voxel.tolist(), int(sign)) == ([0.0, 0.0, 0.0], -1)


def test_the_borders_of_the_patch_end_an_error() -> None:
    voxel, sign = deepest_error(torch.ones(9, 9, 9, dtype=torch.bool), _cubes(edge=9), 0.3)
    assert (voxel.tolist(), int(sign)) == ([4.0, 4.0, 4.0], 1)


def test_the_number_chooses_among_equals_and_every_one_can_be_chosen() -> None:
    target = _cubes((2, 4), edge=8)  # four voxels an edge: the middle is a cube of two
    found = {
        tuple(deepest_error(target, torch.zeros_like(target), pick / 8).voxel.tolist())
        for pick in range(8)
    }
    assert found == {(float(i), float(j), float(k)) for i in (3, 4) for j in (3, 4) for k in (3, 4)}
    last = deepest_error(target, torch.zeros_like(target), np.nextafter(1.0, 0.0))
    assert last.voxel.tolist() == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(16, 16, 16), (20, 13, 7), (5, 31, 12)])
def test_the_depth_is_that_of_the_chessboard_distance(
    seed: int, shape: tuple[int, int, int]
) -> None:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal((2, *shape)), (0, 1.5, 1.5, 1.5))
    target, mask = smooth > np.quantile(smooth, 0.6)
    found = deepest_error(torch.from_numpy(target), torch.from_numpy(mask), rng.random())
    depths = [
        ndimage.distance_transform_cdt(np.pad(wrong, 1), metric="chessboard")[1:-1, 1:-1, 1:-1]
        for wrong in (mask & ~target, target & ~mask)
    ]
    i, j, k = map(int, found.voxel)
    assert depths[int(found.sign)][i, j, k] == max(depth.max() for depth in depths)
