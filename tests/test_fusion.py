"""Windows are fused by their weights, and a single window stays as it is."""

import numpy as np

from promise_cli.geometry.patch import Patch
from promise_cli.session.fusion import Canvas, gaussian


def _window(*origin: int, size: int = 8) -> Patch:
    return Patch(origin, (size, size, size))  # type: ignore[arg-type]


def test_a_single_window_stays_exactly_as_the_network_gave_it() -> None:
    found = np.random.default_rng(0).random((8, 8, 8), dtype=np.float32)
    canvas = Canvas()
    canvas.add(_window(-3, 2, 5), found)
    assert canvas.block == _window(-3, 2, 5)
    np.testing.assert_array_equal(canvas.fused(), found)


def test_the_fused_probability_is_the_mean_by_gaussian_weights() -> None:
    rng = np.random.default_rng(0)
    windows = [_window(0, 0, 0), _window(4, 2, 0), _window(-3, 0, 1), _window(20, 0, 0)]
    answers = [rng.random((8, 8, 8), dtype=np.float32) for _ in windows]
    canvas = Canvas()
    total, weight = np.zeros((31, 10, 9)), np.zeros((31, 10, 9))
    weights = gaussian((8, 8, 8))
    for window, answer in zip(windows, answers, strict=True):
        canvas.add(window, answer)
        i, j, k = np.add(window.origin, (3, 0, 0))
        total[i : i + 8, j : j + 8, k : k + 8] += answer * weights
        weight[i : i + 8, j : j + 8, k : k + 8] += weights
    assert canvas.block == Patch((-3, 0, 0), (31, 10, 9))
    np.testing.assert_array_equal(canvas.covered, weight > 0)
    expected = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    np.testing.assert_allclose(canvas.fused(), expected, rtol=1e-5)


def test_a_canvas_that_is_large_enough_from_the_start_fuses_the_same() -> None:
    rng = np.random.default_rng(0)
    windows = [_window(3, 0, 0), _window(-1, 2, 0)]
    grown, held = Canvas(), Canvas.holding(windows)
    for window in windows:
        answer = rng.random((8, 8, 8), dtype=np.float32)
        grown.add(window, answer)
        held.add(window, answer)
        assert held.block == Patch((-1, 0, 0), (12, 10, 8))
        there = held.place(grown.block)
        np.testing.assert_array_equal(held.fused()[there], grown.fused())


def test_weights_are_1_in_the_middle_symmetric_and_never_0() -> None:
    weights = gaussian((128, 128, 128))
    assert weights.max() > 0.99
    assert weights.min() > 0
    np.testing.assert_array_equal(weights, weights[::-1])
    np.testing.assert_allclose(weights, weights.transpose(2, 0, 1), rtol=1e-6)


def test_a_window_is_cut_to_the_part_inside_the_canvas() -> None:
    canvas = Canvas()
    canvas.add(_window(0, 0, 0), np.zeros((8, 8, 8), np.float32))
    assert canvas.place_within(_window(4, -4, 20)) == (slice(4, 8), slice(0, 4), slice(20, 8))
    assert canvas.fused()[canvas.place_within(_window(4, -4, 20))].size == 0
