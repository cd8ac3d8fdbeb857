"""Dice, normalised surface Dice (NSD) and distances of two masks, exact."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.box import count_common, crop_mask, memory_order
from promise_cli.geometry.grid import Spacing, format_shape
from promise_cli.scores.metrics.distances import Distances, measure_distances
from promise_cli.scores.metrics.surface import (
    Surface,
    count_near,
    extract_surface,
    make_ball,
    surface_areas,
)


@dataclass(frozen=True)
class Scores:
    """What two masks have in common."""

    dice: float
    """0 to 1; NaN when both masks are empty, 0 when one is."""
    nsd: tuple[float, ...]
    """0 to 1, one for each tolerance; NaN when both masks are empty, 0 when one is."""
    prediction_voxels: int
    reference_voxels: int
    common_voxels: int = 0
    """Number of voxels that both masks hold."""
    distances: Distances | None = None
    """None where a mask is empty, or where they were not asked for."""


def dice(prediction: NDArray[Any], reference: NDArray[Any]) -> float:
    """Twice the common voxels over the sum of both masks' voxels.

    Args:
        prediction: (I, J, K), bool or whole numbers; what is not 0 is inside.
        reference: Reference mask of the same shape.

    Returns:
        0 to 1; NaN when both masks are empty, 0 when one is.
    """
    return score_masks(prediction, reference, (1.0, 1.0, 1.0), ()).dice


def nsd(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing: Spacing,
    tolerances_mm: Sequence[float],
) -> tuple[float, ...]:
    """Normalised surface Dice: the share of both surfaces' area within a tolerance of the other.

    Equals `compute_surface_dice_at_tolerance` of google-deepmind/surface-distance, the definition
    behind the published numbers of ProMISe and of the Medical Segmentation Decathlon.

    Args:
        prediction: (I, J, K), bool or whole numbers; what is not 0 is inside.
        reference: Reference mask of the same shape.
        spacing: mm along the arrays' axes, as the file's header stores it (`docs/evaluation.md`).
        tolerances_mm: 0 or more, in mm.

    Returns:
        One value for each tolerance; NaN when both masks are empty, 0 when one is.
    """
    return score_masks(prediction, reference, spacing, tolerances_mm).nsd


def score_masks(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing: Spacing,
    tolerances_mm: Sequence[float],
    *,
    with_distances: bool = False,
) -> Scores:
    """Dice and NSD at once, so that each mask is searched only once; arguments as `nsd`.

    Args:
        prediction: (I, J, K), nonzero inside.
        reference: Reference mask of the same shape.
        spacing: mm along the three axes.
        tolerances_mm: Tolerances of NSD in mm.
        with_distances: Measure HD95 and ASSD too.

    Raises:
        ValueError: The arrays differ in shape or are not 3D, or a spacing or tolerance is no
            usable length.
    """
    _check(prediction, reference, spacing, tolerances_mm)
    # The order of the axes changes no value; rows that lie together in memory are read faster.
    axes = memory_order(reference)
    crops = crop_mask(prediction.transpose(axes)), crop_mask(reference.transpose(axes))
    voxels = crops[0].voxels, crops[1].voxels
    if min(voxels) == 0:
        nothing = 0.0 if max(voxels) else math.nan
        return Scores(nothing, (nothing,) * len(tolerances_mm), *voxels)
    common = count_common(*crops)
    surfaces = extract_surface(crops[0]), extract_surface(crops[1])
    i, j, k = (float(spacing[axis]) for axis in axes)
    areas = surface_areas((i, j, k))
    return Scores(
        dice=2 * common / sum(voxels),
        nsd=_surface_overlap(*surfaces, areas, spacing, axes, tolerances_mm),
        prediction_voxels=voxels[0],
        reference_voxels=voxels[1],
        common_voxels=common,
        distances=measure_distances(*surfaces, spacing, axes, areas) if with_distances else None,
    )


def _surface_overlap(
    a: Surface,
    b: Surface,
    areas: NDArray[np.float64],
    spacing: Spacing,
    axes: list[int],
    tolerances_mm: Sequence[float],
) -> tuple[float, ...]:
    """NSD of two masks that are not empty; `axes` are the scan's axes that the surfaces' axes are."""
    whole = (a.counts() + b.counts()) @ areas
    limit = 1 << max(*a.stop, *b.stop).bit_length()  # few different ones, since balls are kept
    values = []
    i, j, k = (float(step) for step in spacing)
    for tolerance_mm in tolerances_mm:
        ball = make_ball((i, j, k), tolerance_mm, tuple(axes), limit)
        near = count_near(a, b, ball) + count_near(b, a, ball)
        values.append(float(near @ areas / whole))
    return tuple(values)


def _check(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing: Spacing,
    tolerances_mm: Sequence[float],
) -> None:
    if prediction.shape != reference.shape or prediction.ndim != 3 or prediction.size == 0:
        raise ValueError(
            f"masks of {format_shape(prediction.shape)} and {format_shape(reference.shape)}"
            " voxels; both must have the same three axes"
        )
    if len(spacing) != 3 or not all(0 < step < math.inf for step in spacing):
        raise ValueError(f"spacing {spacing}; three lengths above 0 mm are needed")
    if not all(0 <= tolerance < math.inf for tolerance in tolerances_mm):
        raise ValueError(f"tolerances {tolerances_mm}; each must be 0 mm or more")
