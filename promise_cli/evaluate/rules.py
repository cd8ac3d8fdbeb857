"""What a score is where a mask is empty or missing."""

import math
from dataclasses import dataclass
from typing import Literal

from promise_cli.errors import EvaluationError
from promise_cli.geometry.grid import Spacing
from promise_cli.predictions.pairs import Pair, Pairing
from promise_cli.predictions.targets import Target
from promise_cli.scores import FURTHER_METRICS, CaseScore, FurtherMetric, Status
from promise_cli.scores.metrics import Scores

EmptyPolicy = Literal["nan", "one", "zero"]
MissingPolicy = Literal["error", "zero", "skip"]

_EMPTY_VALUES = {"nan": math.nan, "one": 1.0, "zero": 0.0}
_MISSING_VALUES = {"error": math.nan, "zero": 0.0, "skip": math.nan}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What holds for every case."""

    targets: tuple[Target, ...] | None
    """None: each value that the files hold is a label of its own."""
    whole_label: bool
    """Whether the targets are all that a file may hold."""
    tolerances_mm: tuple[float, ...]
    empty: EmptyPolicy
    missing: MissingPolicy
    further: tuple[FurtherMetric, ...] = ()
    """Metrics to compute besides Dice and NSD."""
    ignored: int | None = None
    """Value of a label's voxels that are taken out of both masks."""


def refuse_nothing_left(pairing: Pairing, rules: Rules) -> None:
    """Refuse to skip every case.

    Raises:
        EvaluationError: No case has a prediction, and those without one are to be skipped.
    """
    if rules.missing == "skip" and all(pair.prediction is None for pair in pairing.pairs):
        raise EvaluationError(
            f"{pairing.predictions}: no prediction for any of {len(pairing.pairs)} cases, so --missing skip leaves"
            " none; predict them, or use --missing zero"
        )


def make_score(
    pair: Pair,
    target: Target,
    spacing: Spacing,
    voxel_ml: float,
    scan_voxels: int,
    found: Scores,
    rules: Rules,
) -> CaseScore:
    """Make the score of a case from its numbers and names, and apply the policies."""
    status = _status(pair, found)
    dice, nsd = found.dice, found.nsd
    if status in {"both_empty", "prediction_missing"}:
        value = policy_value(status, rules)
        dice, nsd = value, (value,) * len(nsd)
    return CaseScore(
        case_id=pair.case_id,
        label=target.label,
        name=target.name,
        status=status,
        dice=dice,
        nsd={str(mm): value for mm, value in zip(rules.tolerances_mm, nsd, strict=True)},
        further=further_values(found, status, rules),
        reference_voxels=found.reference_voxels,
        prediction_voxels=found.prediction_voxels,
        common_voxels=found.common_voxels,
        scan_voxels=scan_voxels,
        reference_ml=found.reference_voxels * voxel_ml,
        prediction_ml=found.prediction_voxels * voxel_ml,
        spacing=spacing,
    )


def further_values(found: Scores, status: Status, rules: Rules) -> dict[str, float]:
    """Metrics that were asked for besides Dice and NSD, by key; NaN where one does not exist.

    The policies apply as to Dice, but a distance and a volume have no value that is as bad as nothing: where Dice
    would be set to 0 they stay without one.
    """
    both, reference = found.common_voxels, found.reference_voxels
    prediction = found.prediction_voxels
    apart = found.distances
    values: dict[FurtherMetric, float] = {
        "hd95": apart.hd95_mm if apart else math.nan,
        "assd": apart.assd_mm if apart else math.nan,
        "precision": both / prediction if prediction else math.nan,
        "recall": both / reference if reference else math.nan,
        "volume_difference": (prediction - reference) / reference if reference else math.nan,
    }
    result = {}
    for name in rules.further:
        metric, value = FURTHER_METRICS[name], values[name]
        if status in {"both_empty", "prediction_missing"}:
            set_to = policy_value(status, rules)
            agreement = metric.best if set_to == 1 else math.nan
            value = set_to if metric.better == "higher" else agreement
        result[metric.key] = value
    return result


def policy_value(status: Status, rules: Rules) -> float:
    """What a policy makes of Dice and NSD where both masks are empty or the prediction is missing."""
    if status == "both_empty":
        return _EMPTY_VALUES[rules.empty]
    return _MISSING_VALUES[rules.missing]


def _status(pair: Pair, found: Scores) -> Status:
    if pair.prediction is None:
        return "prediction_missing"
    if found.reference_voxels == 0:
        return "reference_empty" if found.prediction_voxels else "both_empty"
    return "ok" if found.prediction_voxels else "prediction_empty"
