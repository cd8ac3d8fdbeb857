"""Curves from trials: scores against clicks, the area under them, clicks needed, and the spread within a case."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from promise_cli.evaluate.clicks.study_record import (
    ClickCurve,
    ClicksNeeded,
    CurvePoint,
    Strategy,
    Trial,
)
from promise_cli.scores.statistics import describe

TARGETS = (0.80, 0.85, 0.90)
"""Dice values for which the number of clicks needed (NoC) is computed."""


def make_curves(
    trials: Sequence[Trial], strategies: Sequence[Strategy], objects: Sequence[str] = ("",)
) -> tuple[ClickCurve, ...]:
    """Return one curve for each object and strategy. Objects that no case holds have none."""
    groups = {
        (name, strategy): [
            trial for trial in trials if (trial.object, trial.strategy) == (name, strategy)
        ]
        for name in objects
        for strategy in strategies
    }
    return tuple(_curve(name, strategy, its) for (name, strategy), its in groups.items() if its)


def area(numbers: Sequence[int], values: Sequence[float]) -> float:
    """Return the area under a curve by trapezoids, divided by the curve's width.

    A constant score thus has an area equal to itself.

    Args:
        numbers: Numbers of clicks, in ascending order.
        values: Score at each of these numbers.

    Returns:
        The area in the unit of the score. NaN if there is only one number of clicks.
    """
    if len(numbers) < 2:
        return math.nan
    strips = sum(
        (numbers[n + 1] - numbers[n]) * (values[n + 1] + values[n]) / 2
        for n in range(len(numbers) - 1)
    )
    return strips / (numbers[-1] - numbers[0])


def _curve(name: str, strategy: Strategy, trials: Sequence[Trial]) -> ClickCurve:
    numbers = [score.clicks for score in trials[0].scores]
    tolerances = list(trials[0].scores[0].nsd)
    dice = _by_case((trial.case_id, [score.dice for score in trial.scores]) for trial in trials)
    nsd = {
        key: _by_case(
            (trial.case_id, [score.nsd[key] for score in trial.scores]) for trial in trials
        )
        for key in tolerances
    }
    points = tuple(
        CurvePoint(
            clicks=number,
            dice=describe([float(case[:, n].mean()) for case in dice]),
            nsd={
                key: describe([float(case[:, n].mean()) for case in nsd[key]]) for key in tolerances
            },
            dice_sd_within=_spread(case[:, n] for case in dice),
            nsd_sd_within={key: _spread(case[:, n] for case in nsd[key]) for key in tolerances},
        )
        for n, number in enumerate(numbers)
    )
    return ClickCurve(
        object=name,
        strategy=strategy,
        points=points,
        auc_dice=describe([area(numbers, case.mean(axis=0).tolist()) for case in dice]),
        auc_nsd={
            key: describe([area(numbers, case.mean(axis=0).tolist()) for case in nsd[key]])
            for key in tolerances
        },
        clicks_needed=tuple(_needed(target, trials) for target in TARGETS),
    )


def _by_case(rows: Iterable[tuple[str, list[float]]]) -> list[NDArray[np.float64]]:
    """Group the rows by case, and return one array (trials, numbers of clicks) for each case."""
    found: dict[str, list[list[float]]] = {}
    for case_id, values in rows:
        found.setdefault(case_id, []).append(values)
    return [np.array(values) for values in found.values()]


def _spread(cases: Iterable[NDArray[np.float64]]) -> float:
    """Return the mean over cases of the standard deviation over trials; NaN if no case has two trials."""
    spreads = [float(values.std(ddof=1)) for values in cases if len(values) > 1]
    return sum(spreads) / len(spreads) if spreads else math.nan


def _needed(target: float, trials: Sequence[Trial]) -> ClicksNeeded:
    """Summarise how many clicks the trials need for a Dice.

    A trial that never reaches the Dice counts with the largest number of clicks.
    """
    tried = [_tried(trial) for trial in trials]
    reached = [
        next((clicks for clicks, dice in of.items() if dice >= target), None) for of in tried
    ]
    among = tuple(tried[0])
    mean = sum(among[-1] if number is None else number for number in reached) / len(reached)
    return ClicksNeeded(
        dice=target,
        among=among,
        mean=mean if len(among) > 1 else math.nan,
        failures=reached.count(None),
        trials=len(reached),
    )


def _tried(trial: Trial) -> dict[int, float]:
    """Return number of clicks -> Dice, in ascending order.

    All numbers from 1 on are included if the trial predicted after every click, otherwise only those asked for.
    """
    if trial.dice_by_click:
        return dict(enumerate(trial.dice_by_click, 1))
    return {score.clicks: score.dice for score in trial.scores}
