"""Resampling to the plan's spacing and back keeps every place, and nearly keeps the shape of a mask."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from promise_cli.geometry.grid import Grid
from promise_cli.geometry.resample import resample, resample_mask, resample_window, target_grid
from tests.conftest import OBLIQUE, affine_of

SHAPES = [(30, 52, 40), (37, 20, 65), (1, 1, 1), (100, 7, 13)]


@pytest.mark.parametrize("shape", SHAPES)
def test_resampling_equals_trilinear_interpolation_of_torch(shape: tuple[int, int, int]) -> None:
    array = np.random.default_rng(0).standard_normal((37, 41, 13)).astype(np.float32)
    expected = F.interpolate(torch.from_numpy(array)[None, None], size=shape, mode="trilinear")[
        0, 0
    ]
    np.testing.assert_allclose(resample(array, shape), expected, atol=2e-5)


def test_the_same_shape_changes_nothing() -> None:
    array = np.random.default_rng(0).standard_normal((5, 6, 7)).astype(np.float32)
    np.testing.assert_array_equal(resample(array, (5, 6, 7)), array)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR"])
def test_the_target_grid_covers_the_scans_extent(axes: str) -> None:
    grid = Grid((512, 400, 50), OBLIQUE @ affine_of(axes, (0.7, 0.75, 2.5), (5, 6, 7)))
    target = target_grid(grid, (1.0, 1.0, 1.0))
    np.testing.assert_allclose(target.spacing, (1, 1, 1), atol=5e-3)
    for corner in itertools.product((0, 1), repeat=3):
        edge = [np.array(corner) * g.shape - 0.5 for g in (grid, target)]
        np.testing.assert_allclose(grid.world(edge[0]), target.world(edge[1]), atol=1e-9)


def test_a_thin_axis_keeps_one_voxel() -> None:
    assert target_grid(Grid((40, 40, 1), np.diag([1, 1, 0.3, 1])), (1.0, 1.0, 1.0)).shape == (
        40,
        40,
        1,
    )


@pytest.mark.parametrize("spacing", [(0.7, 0.7, 2.5), (0.8, 0.8, 5.0), (1.5, 0.9, 3.0)])
def test_a_ball_of_10_mm_comes_back_with_dice_above_097(
    spacing: tuple[float, float, float],
) -> None:
    shape = tuple(round(60 / edge) for edge in spacing)
    place = np.indices(shape).transpose(1, 2, 3, 0) * spacing
    ball = ((place - 30.3) ** 2).sum(-1) < 10.0**2
    target = target_grid(Grid(shape, np.diag([*spacing, 1.0])), (1.0, 1.0, 1.0))
    there = resample_mask(ball, target.shape)
    back = resample(there.astype(np.float32), shape) > 0.5
    assert 2 * (back & ball).sum() / (back.sum() + ball.sum()) >= 0.97


def test_a_target_thinner_than_the_new_voxels_does_not_vanish() -> None:
    mask = np.zeros((40, 40, 40), bool)
    mask[20, 20, 20] = True
    assert not (resample(mask.astype(np.float32), (10, 10, 10)) > 0.5).any()
    np.testing.assert_array_equal(np.argwhere(resample_mask(mask, (10, 10, 10))), [[5, 5, 5]])


@pytest.mark.parametrize("scan_shape", [(80, 60, 24), (40, 100, 61), (64, 64, 64)])
@pytest.mark.parametrize("origin", [(10, 5, 20), (-8, -3, 40), (50, 40, -20), (0, 0, 0)])
def test_a_window_brought_back_equals_the_whole_grid_brought_back(
    scan_shape: tuple[int, int, int], origin: tuple[int, int, int]
) -> None:
    grid_shape, size = (64, 50, 61), 24
    whole = np.random.default_rng(0).random(grid_shape).astype(np.float32)
    padded = np.pad(whole, size, mode="edge")
    window = padded[tuple(slice(o + size, o + 2 * size) for o in origin)]
    block, there = resample_window(window, origin, grid_shape, scan_shape)
    expected = resample(whole, scan_shape)[there]
    assert block.shape == expected.shape
    # At its edge the window repeats voxels, while the whole grid interpolates with voxels outside the window.
    step = np.array(grid_shape) / scan_shape
    inner = tuple(slice(int(np.ceil(1 / s)), -int(np.ceil(1 / s)) or None) for s in step)
    np.testing.assert_allclose(block[inner], expected[inner], atol=2e-5)


def test_each_voxel_of_the_scan_belongs_to_one_of_two_neighbouring_windows() -> None:
    scan_shape, grid_shape = (37, 41, 29), (50, 33, 40)
    count = np.zeros(scan_shape, int)
    ones = np.ones((25, 33, 40), np.float32)
    for start in (0, 25):
        block, there = resample_window(ones, (start, 0, 0), grid_shape, scan_shape)
        assert (block == 1).all()
        count[there] += 1
    assert (count == 1).all()


def test_a_window_outside_the_scan_is_empty() -> None:
    block, _ = resample_window(
        np.ones((8, 8, 8), np.float32), (100, 0, 0), (50, 50, 50), (40, 40, 40)
    )
    assert block.size == 0


@pytest.mark.parametrize(
    ("voxels", "spacing", "expected"), [(10, 0.74, 7), (10, 0.76, 8), (3, 5.0, 15), (512, 0.7, 358)]
)
def test_the_number_of_voxels_is_the_rounded_extent(
    voxels: int, spacing: float, expected: int
) -> None:
    grid = Grid((voxels, 4, 4), np.diag([spacing, 1, 1, 1]))
    assert target_grid(grid, (1.0, 1.0, 1.0)).shape[0] == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_resampling_a_mask_in_its_bounding_box_equals_resampling_it_whole(
    shape: tuple[int, int, int], order: str
) -> None:
    rng = np.random.default_rng(0)
    for corner in ((0, 0, 0), (10, 14, 20), (22, 28, 37)):
        mask = np.zeros((33, 40, 48), bool, order=order)
        box = tuple(slice(start, start + 11) for start in corner)
        mask[box] = rng.random((11, 11, 11)) < 0.7
        whole = resample(mask.astype(np.float32), shape) > 0.5
        if whole.any():
            np.testing.assert_array_equal(resample_mask(mask, shape), whole)
    assert not resample_mask(np.zeros((5, 6, 7), bool), shape).any()


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, ">i2", np.float64])
def test_intensities_of_any_type_are_sampled_alike(dtype) -> None:
    array = np.random.default_rng(0).integers(0, 200, (20, 30, 14)).astype(dtype)
    expected = resample(array.astype(np.float32), (13, 41, 22))
    for turned in (array, np.asfortranarray(array), array[::-1][::-1]):
        np.testing.assert_allclose(resample(turned, (13, 41, 22)), expected, atol=1e-4)
    halved = resample(array, (13, 41, 22), lambda plane: plane / 2, np.float16)
    np.testing.assert_allclose(halved, expected / 2, rtol=1e-3)
