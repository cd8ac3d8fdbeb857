"""The next window and the deepest voxel of a mask, on examples that a person can draw."""

import numpy as np
import pytest

from promise_cli.geometry.patch import Patch
from promise_cli.session.fusion import Canvas
from promise_cli.session.neighbours import deepest_voxel, next_window, part_of_clicks

GRID = (60, 60, 60)
MM2 = (1.0, 1.0, 1.0)


def _all(places: np.ndarray) -> np.ndarray:
    return np.ones(len(places), bool)


def _canvas(*origin: int, size: int = 20) -> Canvas:
    canvas = Canvas()
    canvas.add(Patch(origin, (size, size, size)), np.zeros((size, size, size), np.float32))  # type: ignore[arg-type]
    return canvas


def _touching(*faces: tuple[int, int]) -> np.ndarray:
    lesion = np.zeros((20, 20, 20), bool)
    lesion[5:15, 5:15, 5:15] = True
    for axis, side in faces:
        span = [slice(5, 15)] * 3
        span[axis] = slice(0, 10) if side < 0 else slice(10, 20)
        lesion[tuple(span)] = True
    return lesion


@pytest.mark.parametrize(
    ("faces", "origin"),
    [
        ([(0, 1)], (30, 20, 20)),
        ([(2, -1)], (20, 20, 10)),
        ([(0, 1), (1, -1)], (30, 10, 20)),
    ],
)
def test_the_next_window_lies_half_an_edge_further_where_the_border_is_open(
    faces: list[tuple[int, int]], origin: tuple[int, int, int]
) -> None:
    found = next_window(_canvas(20, 20, 20), _touching(*faces), GRID, _all, MM2)
    assert found == Patch(origin, (20, 20, 20))


def test_a_lesion_that_touches_the_border_off_centre_moves_the_window_there() -> None:
    lesion = np.zeros((20, 20, 20), bool)
    lesion[10:20, 12:18, 2:8] = True
    found = next_window(_canvas(20, 20, 20), lesion, GRID, _all, MM2)
    assert found == Patch((30, 25, 15), (20, 20, 20))


def test_no_window_follows_beyond_the_scan_in_air_or_where_few_voxels_touch() -> None:
    canvas = _canvas(20, 20, 20)
    assert next_window(canvas, _touching(), GRID, _all, MM2) is None
    assert next_window(canvas, _touching((0, 1)), GRID, lambda p: ~_all(p), MM2) is None
    assert next_window(canvas, _touching((0, 1)), (40, 60, 60), _all, MM2) is None
    thin = np.zeros((20, 20, 20), bool)
    thin[10:20, 8:12, 8:14] = True
    assert next_window(canvas, thin, GRID, _all, MM2) is None
    assert next_window(canvas, thin, GRID, _all, (2.0, 2.0, 2.0)) is not None


def test_no_window_follows_where_another_window_has_been() -> None:
    canvas = _canvas(20, 20, 20)
    canvas.add(Patch((30, 20, 20), (20, 20, 20)), np.zeros((20, 20, 20), np.float32))
    lesion = np.zeros((30, 20, 20), bool)
    lesion[5:22, 5:15, 5:15] = True
    assert next_window(canvas, lesion, GRID, _all, MM2) is None


def test_the_next_window_is_moved_into_the_scan() -> None:
    found = next_window(_canvas(20, 20, 20), _touching((0, 1)), (44, 60, 60), _all, MM2)
    assert found == Patch((24, 20, 20), (20, 20, 20))
    found = next_window(_canvas(-9, 20, 20), _touching((0, 1)), (15, 60, 60), _all, MM2)
    assert found is not None
    assert found.origin[0] <= 0
    assert found.origin[0] + 20 >= 15


def test_the_deepest_voxel_is_far_from_the_surface_but_not_from_the_arrays_border() -> None:
    mask = np.zeros((21, 21, 21), bool)
    mask[2:9, 2:9, 2:9] = True
    assert deepest_voxel(mask) == (5, 5, 5)
    half = np.zeros((21, 21, 21), bool)
    half[:8] = True
    assert deepest_voxel(half) == (0, 10, 10)
    assert deepest_voxel(np.ones((5, 7, 9), bool)) == (2, 3, 4)
    lone = np.zeros((5, 5, 5), bool)
    lone[4, 0, 3] = True
    assert deepest_voxel(lone) == (4, 0, 3)


def test_a_click_selects_the_part_at_it_or_near_it() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[2:5, 2:5, 2:5] = mask[10:13, 10:13, 10:13] = True
    one = np.zeros_like(mask)
    one[2:5, 2:5, 2:5] = True
    for click in ((3, 3, 3), (7, 3, 3), (-1, 2, 2)):
        np.testing.assert_array_equal(part_of_clicks(mask, np.array([click])), one)
    assert not part_of_clicks(mask, np.array([[18, 2, 2]])).any()
    np.testing.assert_array_equal(part_of_clicks(mask, np.array([(3, 3, 3), (11, 11, 11)])), mask)
