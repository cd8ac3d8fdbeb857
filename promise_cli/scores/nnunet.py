"""Scores in the format of nnU-Net v2, for tools that read its `summary.json`."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promise_cli.scores.score_record import CaseScore, Report
from promise_cli.scores.statistics import mean_of

NNUNET_FILE = "summary.json"
KEYS = ("Dice", "FN", "FP", "IoU", "TN", "TP", "n_pred", "n_ref")


Files = Mapping[str, tuple[Path | None, Path]]
"""Files of the prediction and of the label by case id; the first is None where there is no prediction."""


def to_nnunet(report: Report, files: Files) -> dict[str, Any]:
    """Return the content of nnU-Net's `summary.json`: `foreground_mean`, `mean` by label, and `metric_per_case`.

    NaN is written as in nnU-Net's JSON. The entry `tool` is not nnU-Net's.

    Dice and IoU have no unit and lie between 0 and 1. They are NaN where both masks are empty, and such cases are left
    out of their means whatever `--empty` says, since this is nnU-Net's rule. A case whose prediction is missing has no
    values at all under `--missing skip`, and under `--missing zero` its Dice and IoU are 0.
    """
    by_case: dict[str, list[CaseScore]] = {}
    for case in report.cases:
        by_case.setdefault(case.case_id, []).append(case)
    labels = [summary.label for summary in report.summary.labels if summary.label is not None]
    rows = {(case.case_id, case.label): _row(case, report.missing_policy) for case in report.cases}
    mean = {
        _key(label): {
            key: mean_of([row[key] for (_, other), row in rows.items() if other == label])
            for key in KEYS
        }
        for label in labels
    }
    return {
        "tool": report.tool,
        "foreground_mean": {key: mean_of([row[key] for row in mean.values()]) for key in KEYS},
        "mean": mean,
        "metric_per_case": [
            {
                "metrics": {_key(score.label): rows[case_id, score.label] for score in scores},
                "prediction_file": None if prediction is None else str(prediction),
                "reference_file": str(reference),
            }
            for case_id, scores in by_case.items()
            for prediction, reference in [files[case_id]]
        ],
    }


def _row(case: CaseScore, missing_policy: str) -> dict[str, float]:
    both, reference, prediction = case.common_voxels, case.reference_voxels, case.prediction_voxels
    union = reference + prediction - both
    if case.status == "prediction_missing" and missing_policy == "skip":
        return dict.fromkeys(KEYS, math.nan)
    nothing = 0.0 if case.status == "prediction_missing" else math.nan
    return {
        "Dice": 2 * both / (reference + prediction) if union else nothing,
        "FN": reference - both,
        "FP": prediction - both,
        "IoU": both / union if union else nothing,
        "TN": case.scan_voxels - union,
        "TP": both,
        "n_pred": prediction,
        "n_ref": reference,
    }


def _key(label: int | str) -> str:
    """Return nnU-Net's key for a label, which for a region lists its values: `(1, 2)`."""
    text = str(label)
    return f"({', '.join(text.split('+'))})" if "+" in text else text
