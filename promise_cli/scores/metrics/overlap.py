"""Dice, normalised surface Dice (NSD) and distances of two masks, all of them exact."""

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
    """Scores of a predicted mask against a reference mask, with the numbers of their voxels."""

    dice: float
    """Dice, 0 to 1; NaN if both masks are empty, 0 if only one is."""
    nsd: tuple[float, ...]
    """NSD at each tolerance, 0 to 1; NaN if both masks are empty, 0 if only one is."""
    prediction_voxels: int
    reference_voxels: int
    common_voxels: int = 0
    """Number of voxels that lie in both masks."""
    distances: Distances | None = None
    """HD95 and ASSD in mm; None if a mask is empty, or if the distances were not asked for."""


def dice(prediction: NDArray[Any], reference: NDArray[Any]) -> float:
    """Compute the Dice of two masks: twice the common voxels over the sum of both masks' voxels.

    Args:
        prediction: (I, J, K), bool or whole numbers; all voxels other than 0 are inside.
        reference: Reference mask of the same shape.

    Returns:
        Dice, 0 to 1, without a unit; NaN if both masks are empty, 0 if only one is.

    Raises:
        ValueError: The arrays differ in shape, are not 3D or have no voxels.
    """
    return score_masks(prediction, reference, (1.0, 1.0, 1.0), ()).dice


def nsd(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing: Spacing,
    tolerances_mm: Sequence[float],
) -> tuple[float, ...]:
    """Compute the normalised surface Dice: the share of both surfaces' area that lies within a tolerance of the other.

    The result equals `compute_surface_dice_at_tolerance` of google-deepmind/surface-distance. The published numbers of
    ProMISe and of the Medical Segmentation Decathlon follow this definition.

    Args:
        prediction: (I, J, K), bool or whole numbers; all voxels other than 0 are inside.
        reference: Reference mask of the same shape.
        spacing: mm along the arrays' axes, as the file's header stores it (`docs/evaluation.md`).
        tolerances_mm: Tolerances in mm, each 0 or more.

    Returns:
        NSD at each tolerance, 0 to 1, without a unit; NaN if both masks are empty, 0 if only one is.

    Raises:
        ValueError: The arrays differ in shape, are not 3D or have no voxels, or a spacing or tolerance is not a usable
            length.
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
    """Compute all scores of two masks in one call, so that each mask is searched only once.

    Args:
        prediction: (I, J, K), bool or whole numbers; all voxels other than 0 are inside.
        reference: Reference mask of the same shape.
        spacing: mm along the arrays' axes, each above 0.
        tolerances_mm: Tolerances of NSD in mm, each 0 or more.
        with_distances: Whether to measure HD95 and ASSD too.

    Returns:
        Dice and NSD lie between 0 and 1. They are NaN if both masks are empty, and 0 if only one is. The distances are
        in mm, and None if a mask is empty.

    Raises:
        ValueError: The arrays differ in shape, are not 3D or have no voxels, or a spacing or tolerance is not a usable
            length.
    """
    _check(prediction, reference, spacing, tolerances_mm)
    # The order of the axes changes no value, but rows that are contiguous in memory are read faster.
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
    """Compute the NSD of two masks that are not empty. `axes` holds the scan's axis for each axis of the surfaces."""
    whole = (a.counts() + b.counts()) @ areas
    # A power of two, so that only few different limits occur and the cached balls are used again.
    limit = 1 << max(*a.stop, *b.stop).bit_length()
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
