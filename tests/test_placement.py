"""Windows lie around clicks as in the paper, apart for clicks that do not share one, or all over a scan."""

import itertools

import numpy as np
import pytest

from promise_cli.geometry.patch import Patch
from promise_cli.session.placement import windows_for, windows_over


def _origins(*clicks: tuple[int, int, int], single: bool = False) -> list[tuple[int, int, int]]:
    windows = windows_for(np.array(clicks), 20, (), single=single)
    return [window.origin for window in windows]


def test_clicks_that_fit_share_the_window_around_their_middle() -> None:
    assert _origins((30, 30, 30)) == [(20, 20, 20)]
    assert _origins((30, 30, 30), (48, 30, 30)) == [(29, 20, 20)]
    for window in windows_for(np.array([(30, 30, 30), (48, 30, 30)]), 20, (), single=False):
        assert window.inside(np.array([(30, 30, 30), (48, 30, 30)])).all()


def test_clicks_that_do_not_fit_get_further_windows_unless_one_is_asked_for() -> None:
    clicks = ((30, 30, 30), (80, 30, 30), (35, 30, 30))
    assert _origins(*clicks) == [(22, 20, 20), (70, 20, 20)]
    assert _origins(*clicks, single=True) == [(45, 20, 20)]


def test_existing_windows_stay() -> None:
    there = (Patch((20, 20, 20), (20, 20, 20)),)
    near, far = np.array([(30, 30, 30), (38, 30, 30)]), np.array([(30, 30, 30), (41, 30, 30)])
    assert windows_for(near, 20, there, single=False) == there
    assert windows_for(near, 20, there, single=True) == there
    assert windows_for(far, 20, there, single=False)[0] == there[0]
    assert len(windows_for(far, 20, there, single=False)) == 2
    assert [w.origin for w in windows_for(far, 20, there, single=True)] == [(25, 20, 20)]


@pytest.mark.parametrize("single", [False, True])
def test_windows_that_need_no_click_in_their_middle_are_moved_into_the_scan(single: bool) -> None:
    clicks, scan = np.array([(2, 30, 8)]), (100, 35, 15)
    (window,) = windows_for(clicks, 20, (), single=single, within=scan)
    assert window.origin == (0, 15, -2)
    assert window.inside(clicks).all()
    assert window.crop(np.ones(scan)).sum() == 20 * 20 * 15


@pytest.mark.parametrize("shape", [(20, 20, 20), (21, 40, 55), (7, 100, 19), (1, 1, 1)])
def test_windows_over_a_scan_cover_it_and_overlap_by_half(shape: tuple[int, int, int]) -> None:
    seen = np.zeros(shape, int)
    windows = windows_over(shape, 20)
    for window in windows:
        spans = [slice(max(0, a), max(0, a + 20)) for a in window.origin]
        seen[tuple(spans)] += 1
    assert seen.min() >= 1
    for axis, n in enumerate(shape):
        starts = sorted({window.origin[axis] for window in windows})
        assert all(b - a <= 10 for a, b in itertools.pairwise(starts))
        if n >= 20:
            assert (starts[0], starts[-1]) == (0, n - 20)
        else:
            assert len(starts) == 1
