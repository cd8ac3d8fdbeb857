import json
import math

import numpy as np
import pytest
from scipy import stats

from promise_cli.errors import EvaluationError
from promise_cli.scores import compare, read_scores, scores_by_case
from promise_cli.scores.comparison import compare_pairs, holm
from tests.test_summary import DICE, OTHER, score

SETTINGS = {"tolerances_mm": [5.0], "empty_policy": "nan", "missing_policy": "error"}


def test_the_tests_give_the_numbers_computed_beforehand():
    """Among these ten made-up pairs one is equal and two tie, so that Wilcoxon's method decides about p < 0.05."""
    found = compare_pairs(DICE, OTHER)
    assert (found.n, found.excluded) == (10, 0)
    assert found.mean_difference == pytest.approx(0.0285, abs=1e-12)
    assert found.t == pytest.approx(2.619878, abs=1e-6)
    assert found.t_p == pytest.approx(0.027816, abs=1e-6)
    assert found.interval_t == pytest.approx((0.003891, 0.053109), abs=1e-6)
    assert found.interval == pytest.approx((0.0087, 0.0484), abs=1e-4)
    assert found.effect_size == pytest.approx(0.828478, abs=1e-6)
    assert (found.wilcoxon, found.wilcoxon_method) == (5.5, "all sign changes")
    assert found.wilcoxon_p == pytest.approx(0.04296875, abs=1e-12)


def test_the_method_of_wilcoxon_is_that_of_scipy_and_is_named():
    rng = np.random.default_rng(0)
    for n, ties, expected in (
        (8, False, "exact"),
        (50, False, "exact"),
        (51, False, "normal approximation"),
        (13, True, "all sign changes"),
        (14, True, "normal approximation"),
    ):
        a, b = rng.random(n), rng.random(n)
        if ties:
            a, b = a.round(1) + 0.05, b.round(1)
            b[:2], a[:2] = 0.5, 0.6
        found = compare_pairs(a, b)
        reference = stats.wilcoxon(np.round(a - b, 12))
        assert found.wilcoxon_method == expected
        assert found.wilcoxon_p == pytest.approx(reference.pvalue, abs=1e-12)
        assert found.t_p == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)


def test_holm_gives_the_numbers_worked_out_beforehand():
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    skipped = holm({"a": 0.01, "b": math.nan})
    assert skipped["a"] == 0.01
    assert math.isnan(skipped["b"])
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_equal_differences_have_no_t_test(shift):
    found = compare_pairs([0.5, 0.6, 0.7], [value - shift for value in (0.5, 0.6, 0.7)])
    assert found.mean_difference == pytest.approx(shift)
    assert math.isnan(found.t_p)
    assert math.isnan(found.effect_size)
    assert found.wilcoxon_method == ("all sign changes" if shift else "none")


def test_one_difference_among_equal_pairs_is_tested_exactly():
    found = compare_pairs([0.5, 0.6, 0.7], [0.5, 0.6, 0.6])
    assert (found.wilcoxon_method, found.wilcoxon_p) == ("exact", 1.0)


def test_one_pair_or_none_have_no_test():
    one, none = compare_pairs([0.5], [0.25]), compare_pairs([math.nan], [0.25])
    assert (one.n, one.mean_difference) == (1, 0.25)
    assert (none.n, none.excluded) == (0, 1)
    assert math.isnan(one.t_p)
    assert math.isnan(none.mean_difference)


def test_cases_without_a_value_in_one_set_are_left_out_and_counted():
    found = compare_pairs([0.5, math.nan, 0.7, 0.9], [0.4, 0.5, math.nan, 0.6])
    assert (found.n, found.excluded, found.mean, found.other_mean) == (2, 2, 0.7, 0.5)


def test_sets_are_paired_by_case_and_label_whatever_their_order():
    own = [score(f"c{n}", label, 0.1 * n + 0.05 * label) for n in range(6) for label in (1, 2)]
    other = [score(f"c{n}", label, 0.09 * n) for label in (2, 1) for n in reversed(range(6))]
    found = compare(own, scores_by_case(other), "other")
    assert [(label.label, list(label.metrics)) for label in found.labels] == [
        (1, ["dice", "nsd_5.0mm"]),
        (2, ["dice", "nsd_5.0mm"]),
    ]
    assert found.tests == 4
    first = found.labels[0].metrics["dice"]
    differences = [0.01 * n + 0.05 for n in range(6)]
    assert first.mean_difference == pytest.approx(np.mean(differences))
    assert first.t_p_holm >= first.t_p
    p_values = [test.t_p for label in found.labels for test in label.metrics.values()]
    corrected = [test.t_p_holm for label in found.labels for test in label.metrics.values()]
    assert max(corrected) == pytest.approx(
        max(p * (4 - rank) for rank, p in enumerate(sorted(p_values)))
    )


def test_labels_and_metrics_that_only_the_other_set_has_are_not_compared():
    own = [score("a", 1, 0.5), score("b", 1, 0.6)]
    other = scores_by_case([*own, score("a", 2, 0.1), score("b", 2, 0.1)])
    other = {pair: {**values, "hd95_mm": 1.0} for pair, values in other.items()}
    found = compare(own, other, "other")
    assert [list(label.metrics) for label in found.labels] == [["dice", "nsd_5.0mm"]]


@pytest.mark.parametrize(
    ("own", "other", "message"),
    [
        (["a", "b", "c"], ["a"], "case b, label 1 and 1 more: no score in other.json"),
        (["a"], ["a", "b"], "case b, label 1: no score in this set"),
    ],
)
def test_unpaired_cases_are_an_error(own, other, message):
    sets = [[score(case, 1, 0.5) for case in names] for names in (own, other)]
    with pytest.raises(EvaluationError, match=message):
        compare(sets[0], scores_by_case(sets[1]), "other.json")


def test_a_missing_label_in_the_other_set_is_an_error():
    with pytest.raises(EvaluationError, match="case a, label 2: no score in other"):
        compare([score("a", 2, 0.5)], scores_by_case([score("a", 1, 0.5)]), "other")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 9}, "is not a metrics.json of schema version 1; evaluate those"),
        (
            {"tolerances_mm": [4.0]},
            r"made with tolerances_mm \[4.0\], but here it is \[5.0\]; evaluate",
        ),
        (
            {"empty_policy": "one"},
            "made with empty_policy one, but here it is nan; .* same --empty",
        ),
        ({"cases": [{"case_id": "a"}]}, "needs cases with case_id, label, dice and nsd"),
        ({"cases": None}, "needs cases with case_id, label, dice and nsd"),
    ],
)
def test_another_sets_file_that_cannot_be_compared_is_refused(tmp_path, change, message):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"schema_version": 1, **SETTINGS, "cases": [], **change}))
    with pytest.raises(EvaluationError, match=message):
        read_scores(path, SETTINGS)
