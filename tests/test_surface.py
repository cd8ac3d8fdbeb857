import itertools
import math

import numpy as np
import pytest

from promise_cli.geometry.box import (
    bounding_box,
    count_common,
    crop_mask,
    joint_box,
)
from promise_cli.scores.metrics.dilation import dilate
from promise_cli.scores.metrics.surface import (
    extract_surface,
    make_ball,
    search_bits,
    search_tree,
    surface_areas,
)

SPACING = (0.7, 0.9, 2.5)


def area_of_mask(mask, spacing):
    return float(extract_surface(crop_mask(mask)).counts() @ surface_areas(spacing))


def test_the_table_is_that_of_surface_distance():
    """The expected sums over all codes were computed from the table of surface-distance 0.1 (PyPI)."""
    areas, codes = surface_areas(SPACING), np.arange(256)
    sums = [areas.sum(), codes @ areas, (codes * codes % 251) @ areas, areas @ areas]
    expected = [398.9298564028801, 50863.55669136721, 49208.016697546846, 743.6019309211365]
    np.testing.assert_allclose(sums, expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("code", "area"),
    [
        (0b00000000, 0.0),
        (0b11111111, 0.0),
        (0b00000001, math.sqrt(3) / 8),  # one voxel
        (0b01111111, math.sqrt(3) / 8),  # one voxel missing
        (0b00000011, math.sqrt(2) / 2),  # an edge
        (0b00001111, 1.0),  # a face
        (0b00000110, math.sqrt(3) / 4),  # a diagonal in a face
        (0b00011000, math.sqrt(3) / 4),  # a diagonal through the block
        (0b00000111, 0.5 + 3 * math.sqrt(3) / 8),  # three in an L
    ],
)
def test_the_area_of_a_pattern_drawn_by_hand(code, area):
    assert surface_areas((1.0, 1.0, 1.0))[code] == pytest.approx(area, abs=1e-12)


def test_only_the_empty_and_the_full_block_have_no_surface():
    assert np.flatnonzero(surface_areas(SPACING) == 0).tolist() == [0, 255]


def test_areas_do_not_change_when_axes_are_exchanged_with_their_spacing():
    areas = surface_areas(SPACING)
    for axes in itertools.permutations(range(3)):
        turned = surface_areas(tuple(SPACING[axis] for axis in axes))
        for code in range(256):
            block = np.unpackbits(np.uint8(code)).reshape(2, 2, 2)
            moved = int(np.packbits(block.transpose(axes))[0])
            assert turned[moved] == pytest.approx(areas[code], abs=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 4), (5, 1, 2)])
def test_the_surface_of_a_box_is_its_faces_bevelled_edges_and_cut_corners(shape):
    s0, s1, s2 = SPACING
    n0, n1, n2 = shape
    f0, f1, f2 = s1 * s2, s0 * s2, s0 * s1
    corners = 8 * math.sqrt(f0**2 + f1**2 + f2**2) / 8
    edges = 4 * (
        (n0 - 1) * math.hypot(f1, f2) / 2
        + (n1 - 1) * math.hypot(f0, f2) / 2
        + (n2 - 1) * math.hypot(f0, f1) / 2
    )
    faces = 2 * ((n1 - 1) * (n2 - 1) * f0 + (n0 - 1) * (n2 - 1) * f1 + (n0 - 1) * (n1 - 1) * f2)
    mask = np.zeros((8, 8, 8), dtype=bool)
    mask[2 : 2 + n0, 3 : 3 + n1, 1 : 1 + n2] = True
    assert area_of_mask(mask, SPACING) == pytest.approx(corners + edges + faces, abs=1e-12)


def test_a_surface_at_the_border_of_the_array_counts():
    inner = np.zeros((6, 7, 8), dtype=bool)
    inner[1:-1, 1:-1, 1:-1] = True
    full = np.ones((4, 5, 6), dtype=bool)
    assert area_of_mask(full, SPACING) == area_of_mask(inner, SPACING)


def test_a_ball_reaches_as_far_as_every_offset_tried_one_by_one():
    rng = np.random.default_rng(0)
    for _ in range(50):
        spacing = tuple(rng.uniform(0.3, 4, 3).tolist())
        tolerance = float(rng.choice([0.0, 1.0, 5.0, spacing[0], 3 * spacing[2], 7.3]))
        axes = tuple(rng.permutation(3).tolist())
        ball = make_ball(spacing, tolerance, axes)
        offsets = list(itertools.product(range(-3, 4), repeat=3))
        expected = []
        for offset in offsets:
            squares = [0.0] * 3
            for axis, n in zip(axes, offset, strict=True):
                squares[axis] = (n * spacing[axis]) ** 2
            expected.append(math.sqrt(squares[0] + squares[1] + squares[2]) <= tolerance)
        assert ball.holds(np.array(offsets)).tolist() == expected


def test_five_steps_of_a_float32_spacing_miss_a_tolerance_that_typed_ones_meet():
    header = float(np.float32(0.8))
    assert make_ball((0.8, 0.8, 0.8), 4.0).radius == (5, 5, 5)
    assert make_ball((header, header, header), 4.0).radius == (4, 4, 4)
    assert make_ball((header, header, header), 5 * header).radius == (5, 5, 5)


def test_a_ball_is_cut_at_the_limit():
    assert make_ball((1.0, 1.0, 1.0), 1000.0, limit=6).runs.tolist() == np.full((7, 7), 6).tolist()


def test_squares_are_added_in_the_order_of_the_scans_axes_to_be_exact():
    s0, s1, s2 = np.float32((0.8, 2.5, 0.8)).tolist()
    squares = [(5 * s0) ** 2, (2 * s1) ** 2, (1 * s2) ** 2]
    length = math.sqrt((squares[0] + squares[1]) + squares[2])
    assert length < math.sqrt(squares[0] + (squares[1] + squares[2]))
    for axes in itertools.permutations(range(3)):
        offset = np.array([[(5, 2, 1)[axis] for axis in axes]])
        assert make_ball((s0, s1, s2), length, axes).holds(offset).all()
        assert not make_ball((s0, s1, s2), np.nextafter(length, 0), axes).holds(offset).any()


@pytest.mark.parametrize("width", [5, 60, 64, 70, 128, 400])
@pytest.mark.parametrize("tolerance", [0.0, 1.0, 2.7, 60.0, 110.0])
def test_dilation_and_tree_find_the_same_nodes_as_a_loop_over_all(width, tolerance):
    rng = np.random.default_rng(width)
    spacing = (1.3, 0.9, 0.6)
    present = rng.random((5, 7, width)) < 0.02
    present[0, 0, 0] = present[-1, -1, -1] = True
    if tolerance > 50:
        present[:, :, 10:] = False
    nodes = np.argwhere(present)
    ball = make_ball(spacing, tolerance)
    for offset, size in (((-2, 3, width // 3), width // 2), ((0, 0, 0), width)):
        wanted = rng.random((4, 6, size)) < 0.5
        near = np.zeros_like(wanted)
        for index in np.argwhere(wanted):
            steps = (nodes - index - offset) * spacing
            near[tuple(index)] = (np.sqrt((steps**2).sum(axis=1)) <= tolerance).any()
        np.testing.assert_array_equal(search_bits(wanted, present, offset, ball), near)
        np.testing.assert_array_equal(search_tree(wanted, present, offset, ball), near)


def test_a_tie_that_the_tree_rounds_away_is_decided_by_the_ball():
    """Nodes at (3, 4) and at (5, 0) steps are equally far except for the last bit."""
    for number in range(100):
        step = 0.4 + number / 50
        here = 7 + number
        present, wanted = np.zeros((2, here + 6, here + 6, 1), dtype=bool)
        for i, j in ((3, 4), (4, 3), (5, 0), (0, 5)):
            present[here + i, here + j] = True
        wanted[here, here] = True
        for tolerance in (5 * step, math.hypot(3 * step, 4 * step)):
            ball = make_ball((step, step, step), tolerance)
            expected = bool(ball.holds(np.array([[3, 4, 0], [5, 0, 0]])).any())
            assert search_bits(wanted, present, (0, 0, 0), ball).any() == expected
            assert search_tree(wanted, present, (0, 0, 0), ball).any() == expected


def test_a_run_of_more_than_a_word_has_no_gaps():
    present = np.zeros((1, 1, 500), dtype=bool)
    present[0, 0, 250] = True
    ball = make_ball((500.0, 500.0, 0.6), 110.0)
    near = dilate(present, ball.runs, (0, 0, 0), (1, 1, 500))
    assert np.flatnonzero(near).tolist() == list(range(250 - 183, 250 + 184))


@pytest.mark.parametrize("runs", [1, 2, 5, 11, 40, 63, 64, 65, 200])
@pytest.mark.parametrize("node", [0, 1, 7, 29])
def test_a_run_has_no_gaps_from_a_node_at_the_border(runs: int, node: int):
    present = np.zeros((1, 1, 30), dtype=bool)
    present[0, 0, node] = True
    for offset in range(-70, 71):
        near = dilate(present, np.array([[runs]]), (0, 0, offset), (1, 1, 30))
        expected = np.abs(np.arange(30) + offset - node) <= runs
        assert near.ravel().tolist() == expected.tolist(), offset


@pytest.mark.parametrize("seed", range(40))
def test_dilation_finds_the_same_nodes_as_a_loop_over_all_offsets(seed: int):
    """Some spacings are wider than the ball, and some sources lie at the border."""
    rng = np.random.default_rng(seed)
    spacing = tuple(rng.choice([0.3, 0.4, 1.0, 2.5, 6.0], 3).tolist())
    ball = make_ball(spacing, 5.0)
    shape = tuple(rng.integers(1, [5, 5, 40]).tolist())
    present = rng.random((*rng.integers(1, [5, 5, 40]),)) < rng.choice([0.02, 0.2])
    offset = tuple(rng.integers(-4, 5, 3).tolist())
    sources = np.argwhere(present)
    targets = np.argwhere(np.ones(shape, bool)) + offset
    apart = targets[:, None] - sources[None]
    expected = ball.holds(apart.reshape(-1, 3)).reshape(apart.shape[:2]).any(axis=1)
    found = dilate(present, ball.runs, offset, shape)
    assert found.ravel().tolist() == expected.tolist()


def test_dilating_an_empty_mask_gives_an_empty_mask():
    runs = make_ball((1.0, 1.0, 1.0), 3.0).runs
    assert not dilate(np.zeros((3, 3, 3), dtype=bool), runs, (0, 0, 0), (3, 3, 3)).any()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, ">i2", np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_bounding_box_spans_all_voxels_that_are_not_zero(dtype, order):
    rng = np.random.default_rng(7)
    for shape in ((1, 1, 1), (3, 5, 7), (8, 16, 24), (9, 1, 2)):
        for _ in range(10):
            array = np.asarray(rng.random(shape) < 0.1, order=order).astype(dtype)
            indices = np.argwhere(array)
            box = bounding_box(array)
            if len(indices) == 0:
                assert [span.stop - span.start for span in box] == [0, 0, 0]
                continue
            assert [span.start for span in box] == indices.min(axis=0).tolist()
            assert [span.stop for span in box] == (indices.max(axis=0) + 1).tolist()
            np.testing.assert_array_equal(crop_mask(array).inside, array[box] != 0)


def test_the_joint_box_of_empty_arrays_still_holds_a_voxel():
    empty = np.zeros((3, 4, 5), dtype=np.uint8)
    one = empty.copy()
    one[1, 2, 3] = 9
    assert empty[joint_box(empty, empty)].shape == (1, 1, 1)
    assert joint_box(one, empty) == (slice(1, 2), slice(2, 3), slice(3, 4))


def test_masks_without_overlap_have_no_common_voxel():
    a, b = np.zeros((2, 4, 4, 4), dtype=bool)
    a[0, 0, 0] = b[3, 3, 3] = True
    assert count_common(crop_mask(a), crop_mask(b)) == 0
    assert count_common(crop_mask(a), crop_mask(a)) == 1


def test_a_crop_is_the_part_of_the_mask_that_holds_its_voxels():
    mask = np.zeros((300, 200, 100), dtype=bool)
    mask[5:9, 100:150, 99] = mask[250:, 3, 7:60] = True
    crop = crop_mask(mask)
    assert (crop.start, crop.stop, crop.voxels) == ((5, 3, 7), (300, 150, 100), 4 * 50 + 50 * 53)
    assert np.array_equal(crop.inside, mask[5:300, 3:150, 7:100])
