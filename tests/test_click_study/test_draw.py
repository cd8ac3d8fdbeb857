import numpy as np
import pytest

from promise_cli.evaluate.clicks.draw import (
    correct_largest_error,
    simulate_clicks,
    split_target,
)
from promise_cli.prompts import trial_rng

SPACING = (1.0, 1.0, 5.0)


def block(*spans, shape=(20, 20, 8)):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(*span) for span in spans)] = True
    return mask


def rng(trial=0):
    return trial_rng(0, "case", "random", trial)


def test_the_regions_are_rings_within_each_slice():
    """A slice of 11 x 11 voxels has a boundary of one voxel, a margin of two inside it, and a centre of 5 x 5."""
    target = block((4, 15), (4, 15), (2, 5))
    regions = split_target(target, through=2)
    for k in (2, 3, 4):
        assert regions["boundary"][..., k].sum() == 11**2 - 9**2
        assert regions["margin"][..., k].sum() == 9**2 - 5**2
        assert regions["centre"][..., k].sum() == 5**2
    assert regions["centre"][7:12, 7:12, 3].all()
    rings = [regions[name] for name in ("boundary", "margin", "centre")]
    np.testing.assert_array_equal(np.sum(rings, axis=0), target)


def test_the_regions_follow_the_axis_across_the_slices():
    target = block((4, 15), (4, 15), (2, 5))
    turned = split_target(target.transpose(2, 0, 1), through=0)
    expected = split_target(target, through=2)
    for name, region in turned.items():
        np.testing.assert_array_equal(region, expected[name].transpose(2, 0, 1))


def test_the_space_beyond_the_scan_counts_as_outside_the_target():
    regions = split_target(np.ones((9, 9, 2), dtype=bool), through=2)
    assert (regions["boundary"].sum(), regions["centre"].sum()) == (2 * 32, 2 * 9)


@pytest.mark.parametrize("strategy", ["random", "centre", "boundary", "margin"])
def test_clicks_lie_in_their_region_and_fewer_are_the_first_of_more(strategy):
    target = block((4, 15), (4, 15), (2, 5))
    region = split_target(target, 2)["target" if strategy == "random" else strategy]
    ten = simulate_clicks(strategy, target, 2, rng(), 10)
    assert simulate_clicks(strategy, target, 2, rng(), 3) == ten[:3]
    assert all(region[click.voxel] and click.foreground for click in ten)
    assert len({click.voxel for click in ten}) > 5
    assert simulate_clicks(strategy, target, 2, rng(1), 10) != ten


def test_a_target_without_a_centre_is_clicked_where_it_is_deepest_and_it_is_noted():
    five = block((4, 9), (4, 9), (2, 3))
    assert simulate_clicks("centre", five, 2, rng(), 1)[0].region == "margin"
    one = block((4, 5), (4, 5), (2, 3))
    for strategy in ("centre", "margin", "boundary"):
        (click,) = simulate_clicks(strategy, one, 2, rng(), 1)
        assert (click.voxel, click.region) == ((4, 4, 2), "boundary")


def test_random_clicks_are_uniform_over_the_target():
    target = block((0, 2), (0, 2), (0, 1)) | block((10, 14), (10, 14), (3, 6))
    clicks = simulate_clicks("random", target, 2, rng(), 4000)
    near = sum(click.voxel[0] < 2 for click in clicks) / 4000
    assert near == pytest.approx(4 / (4 + 48), abs=0.015)


def test_the_first_correction_is_the_middle_of_the_target_in_millimetres():
    """Counted in voxels, much of this slab's middle slice is equally deep; in millimetres only its middle is."""
    target = block((4, 15), (4, 15), (2, 5))
    click = correct_largest_error(target, np.zeros_like(target), SPACING, rng())
    assert (click.voxel, click.foreground, click.region) == ((9, 9, 3), True, "missed")


def test_a_correction_goes_to_the_larger_of_missed_and_added():
    target = block((2, 9), (2, 9), (1, 6))
    prediction = block((2, 9), (2, 8), (1, 6)) | block((12, 19), (12, 19), (0, 7))
    click = correct_largest_error(target, prediction, (1.0, 1.0, 1.0), rng())
    assert (click.voxel, click.foreground, click.region) == ((15, 15, 3), False, "added")
    click = correct_largest_error(target, prediction & target, (1.0, 1.0, 1.0), rng())
    assert (click.voxel[1], click.foreground) == (8, True)


def test_voxels_that_share_a_corner_are_one_part():
    """Five voxels on a diagonal are one part, which is larger than four voxels in a row."""
    target = np.zeros((12, 12, 12), dtype=bool)
    for n in range(5):
        target[n, n, n] = True
    target[10, 4:8, 10] = True
    click = correct_largest_error(target, np.zeros_like(target), (1.0, 1.0, 1.0), rng())
    assert click.voxel[0] == click.voxel[1] == click.voxel[2]


def test_where_nothing_is_wrong_there_is_no_click():
    target = block((4, 15), (4, 15), (2, 5))
    assert correct_largest_error(target, target, SPACING, rng()) is None
