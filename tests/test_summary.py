import math

import numpy as np
import pytest

from promise_cli.scores import CaseScore, summarize
from promise_cli.scores.statistics import bootstrap_interval, describe

DICE = [0.812, 0.455, 0.731, 0, 0.668, 0.902, 0.540, 0.777, 0.633, 0.815]
OTHER = [0.795, 0.401, 0.742, 0, 0.590, 0.893, 0.512, 0.705, 0.650, 0.760]


def score(case_id, label, dice):
    return CaseScore(
        case_id=case_id,
        label=label,
        name=f"label {label}",
        status="ok",
        dice=dice,
        nsd={"5.0": dice / 2},
        reference_voxels=1,
        prediction_voxels=1,
        common_voxels=1,
        scan_voxels=1,
        reference_ml=0.001,
        prediction_ml=0.001,
        spacing=(1.0, 1.0, 1.0),
    )


def test_statistics_are_those_computed_beforehand():
    """The expected numbers for these ten made-up scores were computed with scipy and numpy."""
    found = describe(DICE)
    assert (found.n, found.excluded) == (10, 0)
    assert found.mean == pytest.approx(0.6333, abs=1e-9)
    assert found.sd == pytest.approx(0.260366, abs=1e-6)
    assert found.median == pytest.approx(0.6995, abs=1e-9)
    assert found.quartiles == pytest.approx((0.56325, 0.80325), abs=1e-9)
    assert (found.minimum, found.maximum) == (0.0, 0.902)
    assert found.interval == pytest.approx((0.462098, 0.766300), abs=1e-6)


def test_the_interval_of_a_difference_is_the_one_computed_beforehand():
    difference = np.array(DICE) - np.array(OTHER)
    assert bootstrap_interval(difference) == pytest.approx((0.0087, 0.0484), abs=1e-6)


def test_cases_without_a_value_are_left_out_and_counted():
    found = describe([0.5, math.nan, 0.7, math.nan])
    assert (found.n, found.excluded) == (2, 2)
    assert found.mean == pytest.approx(0.6)


def test_one_case_has_no_standard_deviation_or_interval_and_none_has_no_mean():
    one, none = describe([0.5]), describe([math.nan])
    assert (one.n, one.mean) == (1, 0.5)
    assert all(math.isnan(value) for value in (one.sd, *one.interval))
    assert (none.n, none.excluded) == (0, 1)
    assert math.isnan(none.mean)


def test_a_case_counts_once_in_the_overall_mean_however_many_labels_it_has():
    cases = [
        score("a", 1, 0.8),
        score("a", 2, 0.4),
        score("b", 1, 0.05),
        score("b", 2, math.nan),
    ]
    found = summarize(cases)
    assert [label.dice.mean for label in found.labels] == pytest.approx([0.425, 0.4])
    assert [label.failures for label in found.labels] == [1, 0]
    assert found.overall.dice.n == 2
    assert found.overall.dice.mean == pytest.approx((0.6 + 0.05) / 2)
    assert found.overall.nsd["5.0"].mean == pytest.approx((0.3 + 0.025) / 2)
    assert found.foreground_mean_dice == pytest.approx((0.425 + 0.4) / 2)
    assert found.foreground_mean_nsd["5.0"] == pytest.approx((0.2125 + 0.2) / 2)
