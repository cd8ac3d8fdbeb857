"""Statistics of the scores of cases, for each label and for all labels together."""

import math
from collections.abc import Sequence

from promise_cli.scores.score_record import (
    FAILURE_DICE,
    NUM_WORST,
    CaseScore,
    LabelSummary,
    Summary,
)
from promise_cli.scores.statistics import describe, mean_of


def summarize(cases: Sequence[CaseScore]) -> Summary:
    """Compute the statistics for each label and for all labels together; `cases` must not be empty."""
    names = {case.label: case.name for case in cases}
    labels = tuple(
        _summarize(label, name, [[case] for case in cases if case.label == label])
        for label, name in names.items()
    )
    by_case: dict[str, list[CaseScore]] = {}
    for case in cases:
        by_case.setdefault(case.case_id, []).append(case)
    return Summary(
        overall=_summarize(None, "all labels", list(by_case.values())),
        labels=labels,
        foreground_mean_dice=mean_of(label.dice.mean for label in labels),
        foreground_mean_nsd={
            key: mean_of(label.nsd[key].mean for label in labels) for key in cases[0].nsd
        },
    )


def _summarize(
    label: int | str | None, name: str, groups: Sequence[Sequence[CaseScore]]
) -> LabelSummary:
    """Compute the statistics over groups of scores. Each group counts once, with its mean."""
    dice = [mean_of(score.dice for score in group) for group in groups]
    ranked = sorted(
        (value, group[0].case_id)
        for value, group in zip(dice, groups, strict=True)
        if not math.isnan(value)
    )
    first = groups[0][0]
    return LabelSummary(
        label=label,
        name=name,
        failures=sum(value < FAILURE_DICE for value in dice),
        worst_cases=tuple(case_id for _, case_id in ranked[:NUM_WORST]),
        dice=describe(dice),
        nsd={
            key: describe([mean_of(score.nsd[key] for score in group) for group in groups])
            for key in first.nsd
        },
        further={
            key: describe([mean_of(score.further[key] for score in group) for group in groups])
            for key in first.further
        },
    )
