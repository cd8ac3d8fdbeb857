import math

import numpy as np
import pytest

from promise_cli.evaluate.clicks.curves import area, make_curves
from promise_cli.evaluate.clicks.study_record import Trial, TrialScore


def trial(case_id, number, dice, clicks=(1, 2, 5)):
    scores = tuple(
        TrialScore(
            clicks=n, dice=value, nsd={"5.0": value / 2}, prediction_voxels=1, outside_window=0
        )
        for n, value in zip(clicks, dice, strict=True)
    )
    return Trial(case_id=case_id, strategy="random", trial=number, clicks=(), scores=scores)


TRIALS = [
    trial("a", 0, (0.6, 0.8, 0.9)),
    trial("a", 1, (0.8, 0.8, 0.92)),
    trial("b", 0, (0.1, 0.2, 0.3)),
    trial("b", 1, (0.3, 0.2, 0.5)),
]


def test_a_case_counts_once_with_the_mean_over_its_trials():
    (curve,) = make_curves(TRIALS, ["random"])
    assert [point.clicks for point in curve.points] == [1, 2, 5]
    assert [point.dice.mean for point in curve.points] == pytest.approx([0.45, 0.5, 0.655])
    assert [point.dice.n for point in curve.points] == [2, 2, 2]
    assert curve.points[0].nsd["5.0"].mean == pytest.approx(0.225)


def test_the_spread_within_a_case_is_that_over_its_trials():
    (curve,) = make_curves(TRIALS, ["random"])
    expected = [np.std([0.6, 0.8], ddof=1), np.std([0.1, 0.3], ddof=1)]
    assert curve.points[0].dice_sd_within == pytest.approx(np.mean(expected))
    assert curve.points[1].dice_sd_within == 0.0
    assert math.isnan(make_curves(TRIALS[::2], ["random"])[0].points[0].dice_sd_within)


def test_the_area_under_a_curve_is_that_of_trapezoids_over_the_clicks():
    assert area((1, 2, 5), (0.6, 0.8, 0.9)) == pytest.approx((0.7 * 1 + 0.85 * 3) / 4)
    assert area((1, 10), (0.5, 0.5)) == pytest.approx(0.5)
    assert math.isnan(area((1,), (0.5,)))
    (curve,) = make_curves(TRIALS, ["random"])
    a = (0.75 * 1 + 0.855 * 3) / 4
    b = (0.2 * 1 + 0.3 * 3) / 4
    assert curve.auc_dice.mean == pytest.approx((a + b) / 2)
    assert curve.auc_nsd["5.0"].mean == pytest.approx((a + b) / 4)


def test_clicks_needed_are_the_first_number_that_reaches_a_dice():
    (curve,) = make_curves(TRIALS, ["random"])
    found = [(need.dice, need.mean, need.failures, need.trials) for need in curve.clicks_needed]
    assert found == [
        (0.80, (2 + 1 + 5 + 5) / 4, 2, 4),
        (0.85, (5 + 5 + 5 + 5) / 4, 2, 4),
        (0.90, (5 + 5 + 5 + 5) / 4, 2, 4),
    ]
