import math

import numpy as np
import pytest
from scipy import ndimage

from promise_cli.scores.metrics import score_masks
from promise_cli.scores.metrics.surface import surface_areas
from tests.test_metrics import node_codes, random_mask, voxels


def measure(prediction, reference, spacing):
    return score_masks(prediction, reference, spacing, (), with_distances=True).distances


def oracle(prediction, reference, spacing):
    """Compute HD95 and ASSD from float64 distance transforms of the corner nodes, sorted as surface-distance does."""
    codes = [node_codes(mask) for mask in (prediction, reference)]
    surfaces = [(code != 0) & (code != 255) for code in codes]
    far = [ndimage.distance_transform_edt(~surface, sampling=spacing) for surface in surfaces]
    directed, total, whole = [], 0.0, 0.0
    for code, surface, distance in zip(codes, surfaces, far[::-1], strict=True):
        areas = surface_areas(spacing)[code[surface]]
        ranked = np.array(sorted(zip(distance[surface], areas, strict=True)))
        index = np.searchsorted(np.cumsum(ranked[:, 1]) / ranked[:, 1].sum(), 0.95)
        directed.append(ranked[min(index, len(ranked) - 1), 0])
        total += (ranked[:, 0] * ranked[:, 1]).sum()
        whole += areas.sum()
    return max(directed), total / whole


def test_hd95_and_assd_equal_distance_transforms_on_200_random_anisotropic_pairs():
    rng = np.random.default_rng(3)
    for number in range(200):
        shape = rng.integers(1, 28, 3)
        spacing = tuple(
            rng.uniform(0.3, 5, 3) if number % 3 else np.float32((0.8, 0.8, 2.5)).astype(float)
        )
        pair = [np.asarray(random_mask(rng, shape), order="F" if number % 2 else "C") for _ in "ab"]
        for mask in pair:
            mask.flat[0] |= not mask.any()
        found = measure(*pair, spacing)
        expected = oracle(*pair, spacing)
        np.testing.assert_allclose(
            (found.hd95_mm, found.assd_mm), expected, rtol=0, atol=1e-9, err_msg=str(number)
        )


def test_equal_masks_have_a_distance_of_zero():
    mask = voxels((3, 4, 5), (7, 7, 7))
    found = measure(mask, mask, (0.7, 0.9, 2.5))
    assert (found.hd95_mm, found.assd_mm) == (0.0, 0.0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_distances_of_a_voxel_moved_by_three_steps_are_those_of_its_corners(axis):
    """Half of a voxel's corners are two steps from the other voxel, and half are three."""
    spacing = (0.7, 0.9, 2.5)
    there = [4, 4, 4]
    there[axis] += 3
    found = measure(voxels((4, 4, 4)), voxels(tuple(there)), spacing)
    assert found.hd95_mm == pytest.approx(3 * spacing[axis])
    assert found.assd_mm == pytest.approx(2.5 * spacing[axis])


def test_five_percent_of_the_area_may_lie_anywhere_without_moving_hd95():
    box = np.zeros((60, 40, 40), dtype=bool)
    box[2:22, 5:25, 5:25] = True
    far = box.copy()
    far[55, 20, 20] = True
    found = measure(far, box, (1.0, 1.0, 1.0))
    assert found.hd95_mm == 0.0
    area = 8 * math.sqrt(3) / 8
    box_area = area + 12 * 19 * math.sqrt(2) / 2 + 6 * 19**2
    assert found.assd_mm == pytest.approx(33.5 * area / (2 * box_area + area), rel=1e-3)


def test_the_order_of_prediction_and_reference_changes_nothing():
    rng = np.random.default_rng(1)
    a, b = random_mask(rng, (9, 8, 7)), random_mask(rng, (9, 8, 7))
    one, two = measure(a, b, (0.7, 0.9, 2.5)), measure(b, a, (0.7, 0.9, 2.5))
    assert (one.hd95_mm, one.assd_mm) == pytest.approx((two.hd95_mm, two.assd_mm), abs=1e-12)


def test_an_empty_mask_has_no_distance():
    for pair in ((voxels(), voxels()), (voxels((1, 1, 1)), voxels())):
        assert measure(*pair, (1.0, 1.0, 1.0)) is None
