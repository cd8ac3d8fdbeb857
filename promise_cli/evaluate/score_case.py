"""Score one case from its two files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import EvaluationError, listed
from promise_cli.evaluate.rules import Rules, make_score
from promise_cli.geometry.box import joint_box
from promise_cli.geometry.grid import Spacing, format_shape, format_spacing
from promise_cli.predictions.pairs import Pair
from promise_cli.predictions.targets import Target
from promise_cli.scores import CaseScore
from promise_cli.scores.metrics import score_masks
from promise_cli.volume import REORDERED, Volume, describe_turn, read_label

MOST_LABELS = 255
"""Largest number of values in a label file. A file with more values is taken for a scan."""
SHOWN = 5
"""Number of values that a message names."""


@dataclass(frozen=True, kw_only=True)
class ScoredCase:
    """Result of scoring one case, as a process returns it."""

    pair: Pair
    spacing: Spacing
    """Spacing in mm along the axes of the label file."""
    voxel_ml: float
    """Volume of a voxel in ml."""
    scan_voxels: int
    """Number of voxels of the whole scan."""
    scores: tuple[CaseScore, ...]
    other_values: tuple[int, ...]
    """Values in the label file that belong to no target: the smallest ones, `SHOWN` at most."""
    notes: tuple[str, ...]
    """Notes on oddities in the geometry of the label file."""
    is_reordered: bool = False
    """Whether the axes of the prediction are stored in another order or direction than those of the label."""
    missed_clicks: int = 0
    """Number of the pair's clicks that lie outside of all targets of the label file."""


def score_case(pair: Pair, rules: Rules) -> ScoredCase:
    """Read the two files of a case and score each label.

    Raises:
        EvaluationError: The grids differ, or a file holds values that are not labels.
        VolumeError: A file is damaged, or is not a label file.
    """
    label = read_label(pair.label, "as_stored")
    spacing = label.exact_spacing
    if pair.prediction is None:
        predicted, reordered = np.zeros_like(label.array), False
    else:
        prediction = read_label(pair.prediction, "as_stored", like=label)
        reordered = REORDERED in prediction.notes
        check_grids(prediction, label, pair)
        predicted = prediction.array
    box = joint_box(predicted, label.array)
    arrays = _without_ignored((predicted[box], label.array[box]), rules.ignored)
    voxel_ml = label.stored_grid.voxel_ml
    scores = []
    distances = not {"hd95", "assd"}.isdisjoint(rules.further)
    targets, others = _targets(arrays, pair, rules)
    for target in targets:
        inside = [
            is_inside(array, values)
            for array, values in zip(
                arrays, (target.prediction_values, target.reference_values), strict=True
            )
        ]
        found = score_masks(
            inside[0], inside[1], spacing, rules.tolerances_mm, with_distances=distances
        )
        scores.append(make_score(pair, target, spacing, voxel_ml, label.array.size, found, rules))
    return ScoredCase(
        pair=pair,
        spacing=spacing,
        voxel_ml=voxel_ml,
        scan_voxels=label.array.size,
        scores=tuple(scores),
        other_values=others,
        notes=label.notes,
        is_reordered=reordered,
        missed_clicks=_count_missed(pair, label, targets),
    )


def _count_missed(pair: Pair, label: Volume, targets: Sequence[Target]) -> int:
    """Return how many of the pair's clicks lie outside of all targets, or outside of the label file."""
    values = {value for target in targets for value in target.reference_values}
    missed = 0
    for place in map(label.stored_grid.ijk, pair.clicks):
        voxel = tuple(np.rint(place).astype(int))
        inside = label.stored_grid.contains(voxel)
        missed += not (inside and int(label.array[voxel]) in values)
    return missed


def check_grids(prediction: Volume, label: Volume, pair: Pair) -> None:
    """Refuse a prediction that does not lie on its label's grid.

    Raises:
        EvaluationError: The grids differ by more than the rounding of headers.
    """
    a, b = prediction.stored_grid, label.stored_grid
    if a.is_that_of(b):
        return
    found = f"{format_shape(a.shape)} voxels of {format_spacing(a.spacing)}"
    wanted = f"{format_shape(b.shape)} voxels of {format_spacing(b.spacing)}"
    apart = f", {a.distance_mm(b):.3g} mm apart" if a.shape == b.shape else ""
    turn = describe_turn(a, b)
    raise EvaluationError(
        f"{pair.prediction}: {found}, but its label {pair.label} has {wanted}{apart}; both must lie"
        f" on one grid, so predict on the label's scan or resample the mask{f' ({turn})' if turn else ''}"
    )


def _targets(
    arrays: tuple[NDArray[Any], NDArray[Any]], pair: Pair, rules: Rules
) -> tuple[tuple[Target, ...], tuple[int, ...]]:
    """Return the labels to score in a case, and the smallest values in its label file that belong to none of them.

    Raises:
        EvaluationError: A file holds values that are not allowed.
    """
    predicted, reference = (_values(array) for array in arrays)
    if rules.targets is None:
        _refuse_scan(predicted, pair.prediction)
        _refuse_scan(reference, pair.label)
        return tuple(target_of_value(value) for value in sorted(predicted | reference)), ()
    allowed = {value for target in rules.targets for value in target.prediction_values}
    _refuse_others(predicted, allowed, pair.prediction)
    if rules.whole_label:
        _refuse_others(reference, allowed, pair.label)
    wanted = {value for target in rules.targets for value in target.reference_values}
    return rules.targets, tuple(sorted(reference - wanted)[:SHOWN])


def _without_ignored(
    arrays: tuple[NDArray[Any], NDArray[Any]], ignored: int | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return prediction and label with 0 where the label holds the value to ignore."""
    if ignored is None:
        return arrays
    judged = arrays[1] != ignored
    return arrays[0] * judged, arrays[1] * judged


def target_of_value(value: int) -> Target:
    """Return the target for a label that has no name other than its value."""
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
            f"{path}: holds the value {list_values(others)}, expected {list_values({0, *allowed})}; is"
            " this the right file?"
        )


def _values(array: NDArray[Any]) -> set[int]:
    """Return the values that occur, without 0."""
    low, high = int(array.min()), int(array.max())
    if low >= 0 and high <= 1:  # most masks hold only 0 and 1, and `np.unique` would sort them
        return {high} - {0}
    return set(np.unique(array).tolist()) - {0}


def is_inside(array: NDArray[Any], values: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which voxels hold one of the values."""
    return array == values[0] if len(values) == 1 else np.isin(array, values)


def list_values(values: Iterable[Any], most: int = SHOWN) -> str:
    """Format the smallest values for a message, and say how many more there are."""
    return listed(sorted(values), most)
