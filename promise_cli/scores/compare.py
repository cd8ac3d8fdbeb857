"""Comparison of two sets of scores: pair them by case and label, and test every metric of the first set."""

import dataclasses
import math
from collections.abc import Sequence

from promise_cli.errors import EvaluationError
from promise_cli.scores.comparison import (
    Comparison,
    LabelComparison,
    MetricComparison,
    compare_pairs,
    holm,
)
from promise_cli.scores.metric import PairedScores, values_of
from promise_cli.scores.score_record import CaseScore


def scores_by_case(cases: Sequence[CaseScore]) -> PairedScores:
    """Return the scores by case id and label, in the form that `compare` takes."""
    return {(case.case_id, str(case.label)): values_of(case) for case in cases}


def compare(cases: Sequence[CaseScore], others: PairedScores, other: str) -> Comparison:
    """Test one set of scores against another set of the same cases.

    Args:
        cases: Scores of this set. All its labels and metrics are compared.
        others: Scores of the other set. It may hold further labels and metrics.
        other: Path of the other set, for messages and the record.

    Raises:
        EvaluationError: A case is in only one of the sets, or the other set has no scores for a label or metric.
    """
    own = scores_by_case(cases)
    _refuse_unpaired(own, others, other)
    first = next(iter(own))
    keys = list(own[first])
    lacking = [key for key in keys if key not in others[first]]
    if lacking:
        raise EvaluationError(
            f"--compare {other}: holds no {', '.join(lacking)}; evaluate both with the same --metrics"
        )
    found: dict[tuple[str, str], MetricComparison] = {}
    names = {str(case.label): (case.label, case.name) for case in cases}
    for label in names:
        pairs = [pair for pair in own if pair[1] == label]
        for key in keys:
            found[label, key] = compare_pairs(
                [own[pair][key] for pair in pairs], [others[pair][key] for pair in pairs]
            )
    t = holm({place: test.t_p for place, test in found.items()})
    w = holm({place: test.wilcoxon_p for place, test in found.items()})
    corrected = {
        place: dataclasses.replace(test, t_p_holm=t[place], wilcoxon_p_holm=w[place])
        for place, test in found.items()
    }
    return Comparison(
        other=other,
        tests=sum(not math.isnan(test.t_p) for test in found.values()),
        wilcoxon_tests=sum(not math.isnan(test.wilcoxon_p) for test in found.values()),
        labels=tuple(
            LabelComparison(
                label=label, name=name, metrics={key: corrected[text, key] for key in keys}
            )
            for text, (label, name) in names.items()
        ),
    )


def notes_of_comparison(comparison: Comparison) -> tuple[str, ...]:
    """Return a note on how many cases each metric leaves out because a value is missing in one or both sets.

    There is no note if no case is left out.
    """
    counts = [
        f"{label.name} {key} {test.excluded}"
        for label in comparison.labels
        for key, test in label.metrics.items()
        if test.excluded
    ]
    return (
        (f"cases left out of the comparison because a value is missing: {', '.join(counts)}",)
        if counts
        else ()
    )


def _refuse_unpaired(own: PairedScores, others: PairedScores, other: str) -> None:
    labels = {label for _, label in own}
    alone = [(pair, other) for pair in own if pair not in others]
    alone += [(pair, "this set") for pair in others if pair not in own and pair[1] in labels]
    if alone:
        (case_id, label), where = alone[0]
        more = f" and {len(alone) - 1} more" if len(alone) > 1 else ""
        raise EvaluationError(
            f"--compare: case {case_id}, label {label}{more}: no score in {where}; both sets must hold the same cases"
            " and labels"
        )
