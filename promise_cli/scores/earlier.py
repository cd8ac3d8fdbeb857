"""Reading of the scores of an earlier evaluation from its metrics.json, with the checks that a comparison needs."""

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promise_cli.disk.records import load_json, record_from_json
from promise_cli.errors import EvaluationError, shorten, shown
from promise_cli.scores.metric import DICE, FURTHER_METRICS, Metric, PairedScores, nsd_metric
from promise_cli.scores.score_record import SCHEMA_VERSION, CaseScore

SETTINGS = {
    "tolerances_mm": "--tolerance",
    "empty_policy": "--empty",
    "missing_policy": "--missing",
}
"""Settings that must be the same in two sets that are compared, with the option for each."""
COUNTS = ("reference_voxels", "prediction_voxels", "common_voxels", "scan_voxels")
"""Numbers of voxels of a score. The first and the last are the same in two evaluations against the same label."""
AGAIN = "evaluate those predictions again"
"""Advice at the end of messages about an unusable metrics.json."""
ROUNDING = 1e-3
"""Largest accepted difference of a Dice from that of its numbers of voxels, since a file may hold rounded numbers."""


def read_scores(path: Path, settings: Mapping[str, Any]) -> PairedScores:
    """Read the scores of a metrics.json.

    Args:
        path: The metrics.json to read.
        settings: Values of the settings in `SETTINGS` for the set to compare with.

    Raises:
        EvaluationError: The file was written by another version or with other settings, or it holds something that no
            evaluation writes: different metrics in two cases, a score twice, or an impossible value.
        PlanError: The file cannot be read as JSON.
    """
    content = load_json(path)
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        raise EvaluationError(
            f"{path}: is not a metrics.json of schema version {SCHEMA_VERSION}; {AGAIN}"
        )
    for name, option in SETTINGS.items():
        if content.get(name) != settings[name]:
            raise EvaluationError(
                f"{path}: made with {name} {shorten(str(content.get(name)))}, but here it is {settings[name]}; evaluate"
                f" both with the same {option}"
            )
    cases = content.get("cases")
    if not isinstance(cases, list) or not cases or not all(map(_is_case, cases)):
        raise EvaluationError(f"{path}: needs cases with case_id, label, dice and nsd; {AGAIN}")
    found: dict[tuple[str, str], Mapping[str, float]] = {}
    for case in cases:
        where = _place(path, case)
        place = (case["case_id"], str(case["label"]))
        if place in found:
            raise EvaluationError(f"{where}: listed twice; {AGAIN}")
        found[place] = _read_values(case, settings["tolerances_mm"], where)
        _check_counts(case, where)
        first = next(iter(found.values()))
        if found[place].keys() != first.keys():
            (key, *_) = sorted(found[place].keys() ^ first.keys())
            raise EvaluationError(f"{where}: {key} is not in every case; {AGAIN}")
    return found


def read_case_scores(path: Path, settings: Mapping[str, Any]) -> tuple[CaseScore, ...]:
    """Read the scores of a metrics.json as records, in the order of the file.

    Raises:
        EvaluationError: As `read_scores`.
        PlanError: The file cannot be read, or a field of a case is missing or has another type.
    """
    read_scores(path, settings)
    scores = []
    for number, case in enumerate(load_json(path)["cases"]):
        without_null = {
            name: {key: item or 0.0 for key, item in value.items()}
            if isinstance(value, dict)
            else value
            for name, value in case.items()
        } | {"dice": case["dice"] or 0.0}
        score: CaseScore = record_from_json(CaseScore, without_null, f"{path}: cases[{number}]")
        scores.append(
            dataclasses.replace(
                score,
                dice=_or_nan(case["dice"]),
                nsd={key: _or_nan(value) for key, value in case["nsd"].items()},
                further={key: _or_nan(value) for key, value in case.get("further", {}).items()},
            )
        )
    return tuple(scores)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def refuse_other_labels(path: Path, cases: Sequence[CaseScore]) -> None:
    """Refuse a metrics.json that was made against other labels than these scores, or on another grid.

    Args:
        path: A metrics.json that `read_scores` has read.
        cases: Scores of the set to compare with.

    Raises:
        EvaluationError: A label has another number of voxels in the file, or its scan has.
    """
    own = {(case.case_id, str(case.label)): case for case in cases}
    for case in load_json(path)["cases"]:
        ours = own.get((case["case_id"], str(case["label"])))
        for name in ("reference_voxels", "scan_voxels"):
            if ours is not None and name in case and case[name] != getattr(ours, name):
                what = "the label" if name == "reference_voxels" else "the scan"
                raise EvaluationError(
                    f"{_place(path, case)}: {what} had {shown(case[name])} voxels, but now it"
                    f" has {getattr(ours, name)}; evaluate both against the same labels, on the same grid"
                )


def _place(path: Path, case: Mapping[str, Any]) -> str:
    """Name a case for a message: its file, case and label."""
    return f"{path}: case {shorten(case['case_id'])}, label {shorten(str(case['label']))}"


def _check_counts(case: Mapping[str, Any], where: str) -> None:
    """Refuse numbers of voxels that contradict each other or Dice. Files that lack some of them are accepted."""
    counts = [case[name] for name in COUNTS if name in case]
    if any(type(count) is not int or count < 0 for count in counts):
        raise EvaluationError(
            f"{where}: {', '.join(COUNTS)} must be whole numbers, 0 or more; {AGAIN}"
        )
    if len(counts) < len(COUNTS):
        return
    reference, prediction, common, scan = counts
    if common > min(reference, prediction) or reference + prediction - common > scan:
        raise EvaluationError(
            f"{where}: {common} voxels in common of {reference} and {prediction} in a scan of {scan} is impossible;"
            f" {AGAIN}"
        )
    dice = case["dice"]
    if min(reference, prediction) and dice is not None:
        counted = 2 * common / (reference + prediction)
        if abs(dice - counted) > ROUNDING:
            raise EvaluationError(
                f"{where}: dice is {dice:g}, but its numbers of voxels give {counted:g}; {AGAIN}"
            )


def _is_case(case: Any) -> bool:
    return (
        isinstance(case, dict)
        and isinstance(case.get("case_id"), str)
        and type(case.get("label")) in (int, str)
        and "dice" in case
        and isinstance(case.get("nsd"), dict)
        and isinstance(case.get("further", {}), dict)
    )


def _read_values(
    case: Mapping[str, Any], tolerances_mm: list[float], where: str
) -> dict[str, float]:
    wanted = [str(mm) for mm in tolerances_mm]
    if sorted(case["nsd"]) != sorted(wanted):
        raise EvaluationError(
            f"{where}: nsd at {', '.join(case['nsd']) or 'no tolerance'}, expected at {', '.join(wanted)} mm; {AGAIN}"
        )
    further = {metric.key: metric for metric in FURTHER_METRICS.values()}
    for key in case.get("further", {}):
        if key not in further:
            raise EvaluationError(f"{where}: unknown metric {shown(key)}; {AGAIN}")
    values = [(DICE, case["dice"])]
    values += [(nsd_metric(key), case["nsd"][key]) for key in wanted]
    values += [(further[key], value) for key, value in case.get("further", {}).items()]
    return {metric.key: _read_value(metric, value, where) for metric, value in values}


def _read_value(metric: Metric, value: Any, where: str) -> float:
    if value is None:
        return math.nan
    if type(value) in (int, float) and metric.lowest <= value <= min(
        metric.highest, sys.float_info.max
    ):
        return float(value)
    highest = f" to {metric.highest:g}" if math.isfinite(metric.highest) else " or more"
    raise EvaluationError(
        f"{where}: {metric.key} is {shown(value)}, expected {metric.lowest:g}{highest}, or null; {AGAIN}"
    )
