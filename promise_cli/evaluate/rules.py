"""Rules for the scores of masks that are empty or missing."""

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
    """Settings that apply to every case."""

    targets: tuple[Target, ...] | None
    """Labels to score; None: each value other than 0 in the files is a label of its own."""
    whole_label: bool
    """Whether a label file is refused if it holds values other than 0 and those of the targets."""
    tolerances_mm: tuple[float, ...]
    """Tolerances of NSD in mm."""
    empty: EmptyPolicy
    """Value of Dice and NSD where both masks are empty."""
    missing: MissingPolicy
    """What to do with a case without a prediction."""
    further: tuple[FurtherMetric, ...] = ()
    """Metrics to compute besides Dice and NSD."""
    ignored: int | None = None
    """Value in a label file whose voxels are removed from both masks; None if there is none."""


def refuse_nothing_left(pairing: Pairing, rules: Rules) -> None:
    """Refuse an evaluation that would skip every case.

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
    """Make the record of the scores of one label of a case, and apply the policies.

    Args:
        pair: The case.
        target: The label.
        spacing: Spacing in mm along the axes of the label file.
        voxel_ml: Volume of a voxel in ml.
        scan_voxels: Number of voxels of the whole scan.
        found: Scores of the two masks before the policies.
        rules: Policies, and the metrics to include.
    """
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
    """Return the metrics that were asked for besides Dice and NSD, by key; NaN where one does not exist.

    If at most one mask is empty and the prediction is not missing:

    * HD95 and ASSD are in mm, 0 or more; NaN if a mask is empty.
    * Precision is 0 to 1; NaN if the prediction is empty, 0 if only the reference is.
    * Recall is 0 to 1; NaN if the reference is empty, 0 if only the prediction is.
    * The volume difference is (prediction - reference) / reference, -1 or more; NaN if the reference is empty.

    If both masks are empty or the prediction is missing, the policies apply as they do to Dice:

    * Where Dice is set to NaN, all of these metrics are NaN.
    * Where Dice is set to 1, precision and recall are 1, and the other three are 0.
    * Where Dice is set to 0, precision and recall are 0. The other three are NaN, since they have no worst value.
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
    """Return the value that a policy sets for Dice and NSD.

    Args:
        status: `both_empty` or `prediction_missing`.
        rules: The policies.
    """
    if status == "both_empty":
        return _EMPTY_VALUES[rules.empty]
    return _MISSING_VALUES[rules.missing]


def _status(pair: Pair, found: Scores) -> Status:
    if pair.prediction is None:
        return "prediction_missing"
    if found.reference_voxels == 0:
        return "reference_empty" if found.prediction_voxels else "both_empty"
    return "ok" if found.prediction_voxels else "prediction_empty"
