"""Two files of one case -> its scores; many cases over processes."""

import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from promise_cli.bounding_box import joint_box
from promise_cli.errors import EvaluationError
from promise_cli.grid import Spacing, format_shape, format_spacing
from promise_cli.metrics import Scores, score_masks
from promise_cli.pairs import Pair
from promise_cli.scores import CaseScore, Status
from promise_cli.targets import Target
from promise_cli.volume import Volume, read_label

EmptyPolicy = Literal["nan", "one", "zero"]
MissingPolicy = Literal["error", "zero", "skip"]

AFFINE_TOLERANCE = 1e-3
"""How far the elements of two affines may differ, in mm; tools round when they write a header."""
SPACING_TOLERANCE = 1e-3
"""The fraction by which the header's spacing may differ from the affine's and is still believed."""
MOST_LABELS = 255
HELP_WANTED_S = 4.0
"""Further processes take a second to start; they are worth it when more than this is left."""

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


@dataclass(frozen=True, kw_only=True)
class ScoredCase:
    """What one process found out about one case."""

    pair: Pair
    spacing: Spacing
    scores: tuple[CaseScore, ...]


def score_cases(pairs: Sequence[Pair], rules: Rules, workers: int | None) -> Iterator[ScoredCase]:
    """Score cases, in their order.

    Args:
        pairs: The cases.
        rules: For all of them.
        workers: Processes; 0 works in this one, None begins here and takes one a core when much
            is left.

    Raises:
        EvaluationError: A case cannot be compared, or a process was killed.
        VolumeError: A file is damaged or holds no label.
    """
    begin, done = time.monotonic(), 0
    while done < len(pairs) and (workers == 0 or workers is None):
        yield score_case(pairs[done], rules)
        done += 1
        left_s = (time.monotonic() - begin) / done * (len(pairs) - done)
        if workers is None and left_s > HELP_WANTED_S:
            break
    rest = pairs[done:]
    count = min(workers or os.cpu_count() or 1, len(rest))
    if count == 0:
        return
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
    try:
        yield from pool.map(score_case, rest, [rules] * len(rest))
    except BrokenProcessPool:
        raise EvaluationError(
            "a process was killed while scoring, perhaps for want of memory; use --workers 0"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def score_case(pair: Pair, rules: Rules) -> ScoredCase:
    """Read the two files of a case and score each label.

    Raises:
        EvaluationError: The grids differ, or a file holds values that are no labels.
        VolumeError: A file is damaged or holds no label.
    """
    label = read_label(pair.label, "as_stored")
    spacing = header_spacing(label)
    if pair.prediction is None:
        predicted = np.zeros_like(label.array)
    else:
        prediction = read_label(pair.prediction, "as_stored")
        check_grids(prediction, label, pair)
        predicted = prediction.array
    box = joint_box(predicted, label.array)
    arrays = predicted[box], label.array[box]
    scores = []
    for target in _targets(arrays, pair, rules):
        inside = [
            _inside(array, values)
            for array, values in zip(
                arrays, (target.prediction_values, target.reference_values), strict=True
            )
        ]
        found = score_masks(inside[0], inside[1], spacing, rules.tolerances_mm)
        scores.append(make_score(pair, target, spacing, found, rules))
    return ScoredCase(pair=pair, spacing=spacing, scores=tuple(scores))


def complete_labels(cases: Sequence[ScoredCase], rules: Rules) -> list[CaseScore]:
    """All scores in order; labels that were not known beforehand are given to every case.

    Raises:
        EvaluationError: A prediction holds a value that no reference holds.
    """
    if rules.targets is not None:
        return [score for case in cases for score in case.scores]
    known = {score.label for case in cases for score in case.scores if score.reference_voxels}
    known = known or {1}
    nothing = Scores(math.nan, (math.nan,) * len(rules.tolerances_mm), 0, 0)
    scores = []
    for case in cases:
        there = {score.label: score for score in case.scores}
        others = set(there) - known
        if others:
            raise EvaluationError(
                f"{case.pair.prediction}: holds the value {_list(others)}, the label files hold"
                f" {_list(known)}; give the prediction the labels' values"
            )
        for value in known - set(there):
            target = _target_of_value(int(value))
            there[value] = make_score(case.pair, target, case.spacing, nothing, rules)
        scores += [there[value] for value in sorted(there, key=int)]
    return scores


def make_score(
    pair: Pair, target: Target, spacing: Spacing, found: Scores, rules: Rules
) -> CaseScore:
    """Put a case's numbers beside its names, and apply the policies."""
    status = _status(pair, found)
    dice, nsd = found.dice, found.nsd
    if status in {"both_empty", "prediction_missing"}:
        value = (
            _EMPTY_VALUES[rules.empty] if status == "both_empty" else _MISSING_VALUES[rules.missing]
        )
        dice, nsd = value, (value,) * len(nsd)
    voxel_ml = math.prod(spacing) / 1000
    return CaseScore(
        case_id=pair.case_id,
        label=target.label,
        name=target.name,
        status=status,
        dice=dice,
        nsd={str(mm): value for mm, value in zip(rules.tolerances_mm, nsd, strict=True)},
        reference_voxels=found.reference_voxels,
        prediction_voxels=found.prediction_voxels,
        reference_ml=found.reference_voxels * voxel_ml,
        prediction_ml=found.prediction_voxels * voxel_ml,
        spacing=spacing,
    )


def header_spacing(volume: Volume) -> Spacing:
    """The header's spacing, float32 widened to float64, as all published NSD values took it.

    A tolerance that is a multiple of the spacing is met or missed by the last bit of that number.
    Where the header contradicts the affine by more than rounding, the affine is believed.
    """
    i, j, k = (float(step) for step in volume.header.get_zooms()[:3])
    if np.allclose((i, j, k), volume.stored_grid.spacing, rtol=SPACING_TOLERANCE, atol=0):
        return i, j, k
    return volume.stored_grid.spacing


def check_grids(prediction: Volume, label: Volume, pair: Pair) -> None:
    """Refuse a prediction that does not lie on its label's grid."""
    a, b = prediction.stored_grid, label.stored_grid
    if a.shape == b.shape and np.abs(a.affine - b.affine).max() <= AFFINE_TOLERANCE:
        return
    found = f"{format_shape(a.shape)} voxels of {format_spacing(a.spacing)}"
    wanted = f"{format_shape(b.shape)} voxels of {format_spacing(b.spacing)}"
    apart = f", {a.distance_mm(b):.3g} mm apart" if a.shape == b.shape else ""
    raise EvaluationError(
        f"{pair.prediction}: {found}, but its label {pair.label} has {wanted}{apart}; both must lie"
        " on one grid, so predict on the label's scan or resample the mask"
    )


def _status(pair: Pair, found: Scores) -> Status:
    if pair.prediction is None:
        return "prediction_missing"
    if found.reference_voxels == 0:
        return "reference_empty" if found.prediction_voxels else "both_empty"
    return "ok" if found.prediction_voxels else "prediction_empty"


def _targets(
    arrays: tuple[NDArray[Any], NDArray[Any]], pair: Pair, rules: Rules
) -> tuple[Target, ...]:
    """The labels to score in a case, after a look at the values that its files hold."""
    predicted, reference = (_values(array) for array in arrays)
    if rules.targets is None:
        _refuse_scan(predicted, pair.prediction)
        _refuse_scan(reference, pair.label)
        return tuple(_target_of_value(value) for value in sorted(predicted | reference))
    allowed = {value for target in rules.targets for value in target.prediction_values}
    _refuse_others(predicted, allowed, pair.prediction)
    if rules.whole_label:
        _refuse_others(reference, allowed, pair.label)
    return rules.targets


def _target_of_value(value: int) -> Target:
    return Target(value, str(value), (value,), (value,))


def _refuse_scan(values: set[int], path: Path | None) -> None:
    if values and (min(values) < 0 or len(values) > MOST_LABELS):
        raise EvaluationError(
            f"{path}: {len(values)} values from {min(values)} to {max(values)}; labels are few and"
            " not negative, so is this a scan?"
        )


def _refuse_others(values: set[int], allowed: set[int], path: Path | None) -> None:
    others = values - allowed
    if others:
        raise EvaluationError(
            f"{path}: holds the value {_list(others)}, expected {_list({0, *allowed})}; is"
            " this the right file?"
        )


def _values(array: NDArray[Any]) -> set[int]:
    """The values that occur, 0 left out."""
    low, high = int(array.min()), int(array.max())
    if low >= 0 and high <= 1:  # `np.unique` sorts, and most masks hold nothing else
        return {high} - {0}
    return set(np.unique(array).tolist()) - {0}


def _inside(array: NDArray[Any], values: tuple[int, ...]) -> NDArray[np.bool_]:
    return array == values[0] if len(values) == 1 else np.isin(array, values)


def _list(values: Iterable[Any], most: int = 5) -> str:
    """The smallest values, as messages name them."""
    shown = sorted(values)
    return ", ".join(map(str, shown[:most])) + (" ..." if len(shown) > most else "")
