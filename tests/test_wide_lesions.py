"""A lesion wider than the window is found whole if the network is perfect in each window."""

from pathlib import Path

import numpy as np
import pytest

from promise_cli.prompts import BACKGROUND, Click
from promise_cli.scores.metrics import dice
from promise_cli.session.predictor import Predictor
from promise_cli.volume import Volume, read_volume
from tests.conftest import affine_of, write_nifti
from tests.standins import PerfectWindow, StandIn, predictor_of


def _scan(tmp_path: Path, lesion: np.ndarray, affine: np.ndarray, around: int = 0) -> Volume:
    """Write and read a scan with 100 HU in the lesion and `around` elsewhere."""
    image = np.where(lesion, 100, around).astype(np.int16)
    return read_volume(write_nifti(tmp_path / "scan.nii", image, affine))


def _ball(shape: tuple[int, ...], spacing: tuple[float, ...], radius: float) -> np.ndarray:
    axes = [(np.arange(n) - (n - 1) / 2) * edge for n, edge in zip(shape, spacing, strict=True)]
    return sum(axis**2 for axis in np.ix_(*axes)) < radius**2


@pytest.mark.parametrize("voxel", [(54, 60, 41), (90, 80, 60), (30, 60, 30)])
@pytest.mark.slow
def test_a_lesion_of_200_mm_is_found_whole(tmp_path: Path, voxel: tuple[int, int, int]) -> None:
    spacing = (2.0, 2.0, 2.5)
    lesion = _ball((115, 120, 90), spacing, 100)
    scan = _scan(tmp_path, lesion, affine_of("LPS", spacing, (10, 20, 30)))
    lesion = lesion[::-1, ::-1]
    predictor = predictor_of(128, PerfectWindow())
    single = predictor.predict(scan, [Click(voxel)], "x")
    assert len(single.windows) == 1
    whole = predictor.predict(scan, [Click(voxel)], "x", max_windows=20)
    assert whole.closed
    assert 8 <= len(whole.windows) <= 20
    assert dice(whole.mask, lesion) > 0.99
    assert dice(single.mask, lesion) < 0.8


def _follow(
    scan: Volume, predictor: Predictor, *clicks: Click, max_windows: int = 20
) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    found = predictor.predict(scan, clicks, "x", max_windows=max_windows)
    return found.mask, [window.origin for window in found.windows]


def test_a_lesion_inside_the_window_takes_one_window(tmp_path: Path) -> None:
    scan = _scan(tmp_path, _ball((60, 60, 60), (1, 1, 1), 10), np.eye(4))
    mask, windows = _follow(scan, predictor_of(24, PerfectWindow()), Click((30, 30, 30)))
    assert windows == [(18, 18, 18)]
    np.testing.assert_array_equal(mask, scan.array > 50)
    both = [
        predictor_of(24, PerfectWindow()).predict(scan, [Click((30, 30, 30))], "x", max_windows=n)
        for n in (1, 20)
    ]
    np.testing.assert_array_equal(both[0].probabilities, both[1].probabilities)


def test_a_long_lesion_is_followed_along_its_axis(tmp_path: Path) -> None:
    lesion = np.zeros((30, 30, 120), bool)
    lesion[12:18, 12:18, 5:115] = True
    scan = _scan(tmp_path, lesion, np.eye(4))
    mask, windows = _follow(scan, predictor_of(24, PerfectWindow()), Click((15, 15, 20)))
    np.testing.assert_array_equal(mask, lesion)
    assert windows[0] == (3, 3, 8)
    assert sorted(k for _, _, k in windows) == [0, 8, 20, 32, 44, 56, 68, 80, 92]


def test_a_lesion_is_not_followed_into_air_metal_or_beyond_the_scan(tmp_path: Path) -> None:
    lesion = np.zeros((40, 40, 60), bool)
    lesion[:, 10:30, 20:40] = True  # reaches both edges of the scan along i
    for around in (-1000, 3000):
        scan = _scan(tmp_path, lesion, np.eye(4), around)
        scan.array[:, 30:, :] = around
        _, windows = _follow(scan, predictor_of(40, PerfectWindow()), Click((20, 20, 30)))
        assert len(windows) == 1
    # Even a network that marks everything is not followed into air.
    everywhere = _Sure()
    scan = _scan(tmp_path, lesion, np.eye(4), -1000)
    _, windows = _follow(scan, predictor_of(20, everywhere), Click((20, 20, 30)))
    assert len(windows) < 20


class _Sure(StandIn):
    def forward(self, patch: np.ndarray, clicks: object, labels: object) -> object:
        del clicks, labels
        import torch

        zero = torch.zeros(1, *patch.shape[2:])
        return torch.stack([zero, zero + 3], dim=1)


def test_following_ends_at_the_limit_of_windows_and_says_so(
    tmp_path: Path,
) -> None:
    scan = _scan(tmp_path, np.ones((60, 60, 60), bool), np.eye(4))
    found = predictor_of(16, _Sure()).predict(scan, [Click((30, 30, 30))], "x", max_windows=5)
    assert len(found.windows) == len(set(found.windows)) == 5
    assert not found.closed


def test_every_further_window_sees_something_new_until_the_scan_is_covered(tmp_path: Path) -> None:
    scan = _scan(tmp_path, np.ones((50, 37, 41), bool), np.eye(4))
    found = predictor_of(16, _Sure()).predict(scan, [Click((3, 30, 40))], "x", max_windows=500)
    assert found.closed
    seen = np.zeros(scan.grid.shape, bool)
    for window in found.windows:
        new = np.zeros(scan.grid.shape, bool)
        new[tuple(slice(max(0, a), a + 16) for a in window.origin)] = True
        assert (new & ~seen).any()
        seen |= new
    assert seen.mean() > 0.99  # not all, since a contact of less than 25 mm2 is not followed
    np.testing.assert_array_equal(found.mask, seen)


def test_a_part_not_connected_to_the_click_is_not_followed(tmp_path: Path) -> None:
    lesion = np.zeros((60, 60, 60), bool)
    lesion[28:32, 28:32, 28:32] = True
    lesion[34:60, 20:40, 20:40] = True  # another lesion, which reaches beyond the window
    scan = _scan(tmp_path, lesion, np.eye(4))

    class Bright(PerfectWindow):
        """A stand-in for a network that marks all bright voxels, wherever the click is."""

        def forward(self, patch, clicks, labels):
            return super().forward(patch, clicks, labels * 0 - 1)

    mask, windows = _follow(scan, predictor_of(24, Bright()), Click((30, 30, 30)))
    assert windows == [(18, 18, 18)]
    assert mask[35, 30, 30]
    _, windows = _follow(scan, predictor_of(24, Bright()), Click((38, 30, 30)))
    assert len(windows) > 1


def test_beyond_the_clicked_window_only_connected_parts_count(tmp_path: Path) -> None:
    lesion = np.zeros((30, 30, 80), bool)
    lesion[12:18, 12:18, 10:60] = True
    lesion[2:5, 2:5, 50:53] = True  # only a further window sees it

    class Bright(PerfectWindow):
        def forward(self, patch, clicks, labels):
            return super().forward(patch, clicks, labels * 0 - 1)

    scan = _scan(tmp_path, lesion, np.eye(4))
    mask, _ = _follow(scan, predictor_of(28, Bright()), Click((15, 15, 20)))
    assert mask[15, 15, 55]
    assert not mask[3, 3, 51]


def test_a_click_that_only_a_further_window_sees_counts_as_seen(tmp_path: Path) -> None:
    lesion = np.zeros((30, 30, 120), bool)
    lesion[12:18, 12:18, 5:115] = True
    scan = _scan(tmp_path, lesion, np.eye(4))
    clicks = [Click((15, 15, 20)), Click((5, 5, 60), BACKGROUND)]
    for limit, unseen in ((1, 1), (20, 0)):
        found = predictor_of(24, PerfectWindow()).predict(scan, clicks, "x", max_windows=limit)
        assert found.clicks_outside_window == unseen


def test_clicks_further_apart_than_the_window_each_get_a_window(tmp_path: Path) -> None:
    lesion = np.zeros((100, 40, 40), bool)
    lesion[8:13, 18:23, 18:23] = lesion[88:93, 18:23, 18:23] = True
    scan = _scan(tmp_path, lesion, np.eye(4))
    clicks = [Click((10, 20, 20)), Click((90, 20, 20)), Click((50, 5, 5), BACKGROUND)]
    predictor = predictor_of(24, PerfectWindow())
    found = predictor.predict(scan, clicks, "x", max_windows=20)
    assert [window.origin for window in found.windows] == [(-2, 8, 8), (78, 8, 8)]
    assert found.clicks_outside_window == 1
    np.testing.assert_array_equal(found.mask, lesion)


def test_without_a_click_windows_cover_the_whole_scan_except_for_air(tmp_path: Path) -> None:
    lesion = np.zeros((70, 50, 90), bool)
    lesion[5:9, 5:9, 5:9] = lesion[60:66, 40:46, 80:86] = True
    scan = _scan(tmp_path, lesion, np.eye(4))
    scan.array[:, :, 20:75] = -1000
    session = predictor_of(24, PerfectWindow()).open(scan)
    found = session.slide()
    np.testing.assert_array_equal(found.mask, lesion)
    starts = [sorted({window.origin[axis] for window in found.windows}) for axis in range(3)]
    assert all(
        0 <= start <= n - 24 for line, n in zip(starts, lesion.shape, strict=True) for start in line
    )
    # Along k windows begin at 0, 11, 22, 33, 44, 55 and 66, and those that lie in air are skipped.
    assert starts[2] == [0, 11, 55, 66]


def test_a_scan_of_only_air_takes_one_window(tmp_path: Path) -> None:
    scan = _scan(tmp_path, np.zeros((70, 50, 30), bool), np.eye(4), around=-1000)
    found = predictor_of(24, PerfectWindow()).open(scan).slide()
    assert [window.origin for window in found.windows] == [(0, 0, 0)]
    assert not found.mask.any()
