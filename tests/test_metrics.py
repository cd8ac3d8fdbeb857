import math

import numpy as np
import pytest
from scipy import ndimage

from promise_cli.scores.metrics import dice, nsd, score_masks
from promise_cli.scores.metrics.surface import surface_areas

SPACING = (0.7, 0.9, 2.5)
HEADER = float(np.float32(0.8))


def node_codes(mask):
    """Return for each corner of the voxels a code of which of the eight voxels around it are in the mask."""
    padded = np.pad(mask, 1).astype(int)
    code = np.zeros([n + 1 for n in mask.shape], dtype=int)
    for bit, (i, j, k) in enumerate(np.ndindex(2, 2, 2)):
        n0, n1, n2 = code.shape
        code += padded[i : i + n0, j : j + n1, k : k + n2] << (7 - bit)
    return code


def oracle(prediction, reference, spacing, tolerances_mm):
    """Compute NSD as surface-distance defines it, from float64 distance transforms of the corner nodes."""
    if not (prediction.any() or reference.any()):
        return [math.nan] * len(tolerances_mm)
    codes = [node_codes(mask) for mask in (prediction, reference)]
    surfaces = [(code != 0) & (code != 255) for code in codes]
    distances = [
        ndimage.distance_transform_edt(~surface, sampling=spacing)
        if surface.any()
        else np.full(surface.shape, math.inf)
        for surface in surfaces
    ]
    areas = [surface_areas(spacing)[code] for code in codes]
    whole = sum(area[surface].sum() for area, surface in zip(areas, surfaces, strict=True))
    return [
        sum(
            area[surface & (distance <= tolerance)].sum()
            for area, surface, distance in zip(areas, surfaces, distances[::-1], strict=True)
        )
        / whole
        for tolerance in tolerances_mm
    ]


def random_mask(rng, shape):
    kind = rng.integers(5)
    if kind == 0:
        return rng.random(shape) < rng.uniform(0.01, 0.99)
    if kind == 1:
        return np.ones(shape, dtype=bool)
    lumps = ndimage.gaussian_filter(rng.random(shape), 1.5, mode="wrap")
    return lumps > np.quantile(lumps, rng.uniform(0.3, 0.98))


def voxels(*indices, shape=(12, 12, 12)):
    mask = np.zeros(shape, dtype=bool)
    for index in indices:
        mask[index] = True
    return mask


def test_nsd_and_dice_equal_distance_transforms_on_200_random_anisotropic_pairs():
    rng = np.random.default_rng(0)
    for number in range(200):
        shape = rng.integers(1, 36, 3)
        if number % 9 == 0:
            shape[rng.integers(3)] = 1
        if number % 40 == 0:
            shape[rng.integers(3)] = 150
        spacing = tuple(
            rng.uniform(0.3, 5, 3) if number % 3 else np.float32((0.8, 0.8, 2.5)).astype(float)
        )
        prediction, reference = random_mask(rng, shape), random_mask(rng, shape)
        if number % 25 == 0:
            prediction[:] = False
        if number % 50 == 0:
            reference[:] = False
        tolerances = (0.0, 0.5, 1.0, 2.0, 4.0, 5.0, spacing[0], 2 * spacing[2], 7.0)
        expected = oracle(prediction, reference, spacing, tolerances)
        order = "F" if number % 2 else "C"
        found = score_masks(
            np.asarray(prediction, order=order),
            np.asarray(reference, order=order),
            spacing,
            tolerances,
        )
        np.testing.assert_allclose(found.nsd, expected, rtol=0, atol=1e-9, err_msg=str(number))
        both = prediction.sum() + reference.sum()
        overlap = 2 * (prediction & reference).sum() / both if both else math.nan
        np.testing.assert_equal(found.dice, overlap)


def test_equal_masks_score_one_at_a_tolerance_of_zero():
    mask = voxels((3, 4, 5), (3, 4, 6), (7, 7, 7))
    assert dice(mask, mask) == 1.0
    assert nsd(mask, mask, SPACING, (0.0, 5.0)) == (1.0, 1.0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_empty_mask_scores_zero(order):
    masks = voxels((1, 2, 3)), voxels()
    prediction, reference = masks[order[0]], masks[order[1]]
    assert dice(prediction, reference) == 0.0
    assert nsd(prediction, reference, SPACING, (0.0, 100.0)) == (0.0, 0.0)


def test_two_empty_masks_have_no_score():
    scores = score_masks(voxels(), voxels(), SPACING, (1.0, 5.0))
    assert math.isnan(scores.dice)
    assert [math.isnan(value) for value in scores.nsd] == [True, True]
    assert (scores.prediction_voxels, scores.reference_voxels) == (0, 0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_single_voxels_side_by_side_share_half_of_their_corners(axis):
    there = [4, 4, 4]
    there[axis] += 1
    pair = voxels((4, 4, 4)), voxels(tuple(there))
    step = SPACING[axis]
    assert dice(*pair) == 0.0
    assert nsd(*pair, SPACING, (0.0, step * 0.999, step)) == pytest.approx((0.5, 0.5, 1.0))


def test_voxels_that_touch_at_a_corner_share_one_of_eight_nodes():
    pair = voxels((4, 4, 4)), voxels((5, 5, 5))
    assert nsd(*pair, SPACING, (0.0,)) == pytest.approx((1 / 8,))


def test_five_steps_of_0_8_mm_meet_4_mm_as_typed_and_miss_them_as_stored():
    pair = voxels((2, 4, 4)), voxels((7, 4, 4))
    assert nsd(*pair, (0.8, 0.8, 0.8), (4.0,)) == pytest.approx((1.0,))
    assert nsd(*pair, (HEADER, HEADER, HEADER), (4.0,)) == pytest.approx((0.5,))


def test_both_surfaces_are_pooled_and_not_averaged():
    """All of the surface of one voxel at the end of a rod is near the rod, but little of the rod is near the voxel."""
    rod = voxels(*((i, 5, 5) for i in range(12)))
    one = voxels((0, 5, 5))
    corner, edge = math.sqrt(3) / 8, math.sqrt(2) / 2
    rod_area = 8 * corner + 11 * 4 * edge
    near = 8 * corner + 4 * corner + 4 * edge  # the voxel's nodes, and the rod's at i = 0 and 1
    assert nsd(one, rod, (1.0, 1.0, 1.0), (0.0,)) == pytest.approx(
        (near / (8 * corner + rod_area),)
    )


def test_a_shift_along_the_thick_slices_needs_the_spacing_of_that_axis():
    spacing = (0.7, 0.7, 5.0)
    pair = voxels((4, 4, 4)), voxels((4, 4, 6))
    in_plane = voxels((4, 4, 4)), voxels((6, 4, 4))
    for order in "CF":
        ordered = [np.asarray(mask, order=order) for mask in pair]
        assert nsd(*ordered, spacing, (4.99, 5.0, 10.0)) == pytest.approx((0.0, 0.5, 1.0))
        ordered = [np.asarray(mask, order=order) for mask in in_plane]
        assert nsd(*ordered, spacing, (0.69, 0.7, 1.4)) == pytest.approx((0.0, 0.5, 1.0))


def test_a_cavity_has_a_surface_of_its_own():
    solid = np.ones((5, 5, 5), dtype=bool)
    hollow = solid.copy()
    hollow[2, 2, 2] = False
    corners = 8 * math.sqrt(3) / 8
    outside = corners + 4 * 12 * math.sqrt(2) / 2 + 2 * 3 * 16
    (value,) = nsd(hollow, solid, (1.0, 1.0, 1.0), (1.0,))
    assert value == pytest.approx(2 * outside / (2 * outside + corners))


def test_a_false_positive_far_away_lowers_the_score_by_its_surface_alone():
    box = np.zeros((60, 60, 30), dtype=bool)
    box[5:10, 5:10, 5:10] = True
    far = box.copy()
    far[55, 55, 28] = True
    spacing = (1.0, 1.0, 1.0)
    voxel_area = math.sqrt(3)
    box_area = voxel_area + 4 * 12 * math.sqrt(2) / 2 + 2 * 3 * 16
    assert nsd(far, box, spacing, (5.0,)) == pytest.approx(
        (2 * box_area / (2 * box_area + voxel_area),)
    )


def test_empty_space_around_the_masks_and_their_order_change_nothing():
    rng = np.random.default_rng(1)
    a, b = random_mask(rng, (9, 8, 7)), random_mask(rng, (9, 8, 7))
    padded = [np.pad(mask, ((3, 40), (0, 9), (70, 1))) for mask in (a, b)]
    tolerances = (0.5, 1.0, 3.0)
    expected = nsd(a, b, SPACING, tolerances)
    assert nsd(*padded, SPACING, tolerances) == expected
    assert nsd(b, a, SPACING, tolerances) == pytest.approx(expected, abs=1e-15)
    turned = [mask.transpose(2, 0, 1)[::-1] for mask in (a, b)]
    spacing = (SPACING[2], SPACING[0], SPACING[1])
    assert nsd(*turned, spacing, tolerances) == pytest.approx(expected, abs=1e-12)


def test_nonzero_integers_count_as_inside():
    mask = voxels((1, 1, 1), (2, 1, 1))
    assert dice(mask.astype(np.int16) * 7, mask) == 1.0
    assert nsd(mask.astype(np.uint8) * 255, mask, SPACING, (0.0,)) == (1.0,)


@pytest.mark.parametrize(
    ("shape", "spacing", "tolerance", "message"),
    [
        ((3, 3, 4), (1.0, 1.0, 1.0), 1.0, "masks of 3 x 3 x 3 and 3 x 3 x 4 voxels; both must"),
        ((3, 3), (1.0, 1.0, 1.0), 1.0, "masks of 3 x 3 x 3 and 3 x 3 voxels; both must"),
        ((3, 3, 3), (1.0, 0.0, 1.0), 1.0, r"spacing \(1\.0, 0\.0, 1\.0\); three lengths above 0"),
        ((3, 3, 3), (1.0, 1.0, math.nan), 1.0, r"spacing \(1\.0, 1\.0, nan\); three lengths"),
        ((3, 3, 3), (1.0, 1.0, 1.0), -1.0, r"tolerances \(-1\.0,\); each must be 0 mm or more"),
        ((3, 3, 3), (1.0, 1.0, 1.0), math.inf, r"tolerances \(inf,\); each must be 0 mm or more"),
    ],
)
def test_impossible_shapes_spacings_and_tolerances_are_refused(shape, spacing, tolerance, message):
    with pytest.raises(ValueError, match=message):
        nsd(np.ones((3, 3, 3), dtype=bool), np.ones(shape, dtype=bool), spacing, (tolerance,))


@pytest.mark.parametrize("kind", [tuple, list, np.array, np.float32])
def test_a_spacing_may_be_any_sequence_of_three_numbers(kind):
    mask = np.zeros((6, 6, 6), dtype=bool)
    mask[2:4, 2:4, 2:4] = True
    assert nsd(mask, mask, kind([1.0, 1.0, 2.0]), [1.0]) == (1.0,)
