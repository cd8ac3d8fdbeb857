"""A patch is a block of the case, padded where it reaches beyond the case."""

import numpy as np

from promise_cli.geometry.patch import Patch

ARRAY = np.arange(4 * 5 * 6).reshape(4, 5, 6)


def test_a_patch_inside_is_a_slice() -> None:
    np.testing.assert_array_equal(Patch((1, 2, 3), (2, 2, 3)).crop(ARRAY), ARRAY[1:3, 2:4, 3:6])


def test_a_patch_holds_the_fill_value_beyond_the_case() -> None:
    block = Patch((-1, 3, 4), (3, 4, 4)).crop(ARRAY, fill=-7)
    np.testing.assert_array_equal(block[1:, :2, :2], ARRAY[:2, 3:, 4:])
    assert (block == -7).sum() == block.size - 2 * 2 * 2


def test_a_patch_outside_the_case_holds_only_the_fill_value() -> None:
    for origin in ((9, 0, 0), (0, -9, 0), (0, 0, 6)):
        assert not Patch(origin, (2, 2, 2)).crop(ARRAY).any()


def test_the_centre_of_a_patch_is_the_voxel_it_was_centred_on() -> None:
    patch = Patch.centred((2, 3, 4), (4, 4, 4))
    assert patch.crop(ARRAY, fill=-1)[2, 2, 2] == ARRAY[2, 3, 4]


def test_a_patch_is_moved_into_the_case_and_no_further() -> None:
    shape = (4, 10, 20)
    moved = {
        (-3, -3, -3): (-1, 0, 0),  # along the first axis the patch is longer than the case
        (-1, 2, 9): (-1, 2, 9),
        (3, 9, 19): (0, 5, 15),
        (-4, 6, 15): (-1, 5, 15),
    }
    for origin, there in moved.items():
        assert Patch(origin, (5, 5, 5)).moved_into(shape).origin == there, origin


def test_widening_keeps_the_middle() -> None:
    patch = Patch((1, 1, 1), (2, 2, 2))
    wide = patch.widened((1, 2, 0)).crop(ARRAY)
    np.testing.assert_array_equal(wide[1:-1, 2:-2], patch.crop(ARRAY))


def test_inside_says_which_voxels_lie_in_the_patch() -> None:
    patch = Patch((2, 2, 2), (3, 3, 3))
    np.testing.assert_array_equal(
        patch.inside(np.array([[2, 2, 2], [4, 4, 4], [5, 2, 2], [1, 3, 3]])),
        [True, True, False, False],
    )
