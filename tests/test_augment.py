"""Augmentation keeps the target on its image, draws what the paper draws, and lets no padding into the patch."""

import numpy as np
import pytest

from promise_cli.network.augmentation import AugmentConfig
from promise_cli.train.augment import Augmentation, apply_augmentation, draw_augmentation

SIZE = 16


def _ball(margin: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image that is 1 inside an off-centre ball and 0 outside, and the ball as target."""
    shape = (SIZE + 2 * margin, SIZE + 2 * margin, SIZE)
    centre = np.array(shape) / 2 + (2, -1, 1)
    distance = ((np.indices(shape).transpose(1, 2, 3, 0) - centre) ** 2).sum(-1)
    return (distance < 16).astype(np.float32), (distance < 16).astype(np.uint8)


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(),
        Augmentation(flips=(True, False, True)),
        Augmentation(quarter_turns=3),
        Augmentation(quarter_turns=1, turn_axes=(1, 2)),
        Augmentation(angle=0.5),
        Augmentation(zoom=(0.9, 1.1)),
        Augmentation(angle=-0.3, zoom=(1.1, 0.9), flips=(False, True, False), quarter_turns=1),
    ],
)
def test_the_target_stays_on_its_image(augmentation: Augmentation) -> None:
    image, target = apply_augmentation(*_ball(augmentation.margin(SIZE)), augmentation, SIZE)
    assert image.shape == target.shape == (SIZE,) * 3
    np.testing.assert_array_equal(image > 0.5, target == 1)
    assert target.sum() > 100


def test_an_augmentation_that_drew_nothing_changes_nothing() -> None:
    image, target = _ball(0)
    for before, after in zip(
        (image, target), apply_augmentation(image, target, Augmentation(), SIZE), strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_a_quarter_turn_by_angle_is_the_quarter_turn() -> None:
    rng = np.random.default_rng(0)
    image, target = rng.random((SIZE,) * 3).astype(np.float32), np.zeros((SIZE,) * 3, np.uint8)
    turned, _ = apply_augmentation(image, target, Augmentation(quarter_turns=1), SIZE)
    both = [
        apply_augmentation(image, target, Augmentation(angle=a), SIZE)[0]
        for a in (np.pi / 2, -np.pi / 2)
    ]
    assert min(np.abs(turned - one).max() for one in both) < 1e-4


def test_a_zoom_above_one_makes_the_target_larger_in_its_plane() -> None:
    sizes = []
    for zoom in ((1.0, 1.0), (1.25, 1.0), (0.8, 1.0)):
        augmentation = Augmentation(zoom=zoom)
        _, target = apply_augmentation(*_ball(augmentation.margin(SIZE)), augmentation, SIZE)
        sizes.append([np.ptp(axis) for axis in np.nonzero(target)])
    assert sizes[1][0] > sizes[0][0] > sizes[2][0]
    assert sizes[1][2] == sizes[0][2] == sizes[2][2]


def test_no_repeated_border_reaches_the_patch() -> None:
    """The margin is wide enough for every rotation and zoom."""
    for angle in np.linspace(-np.pi / 6, np.pi / 6, 7):
        for zoom in (0.9, 1.1):
            augmentation = Augmentation(angle=float(angle), zoom=(zoom, 2 - zoom))
            margin = augmentation.margin(SIZE)
            ramp = np.arange(SIZE + 2 * margin, dtype=np.float32)[:, None, None]
            image = np.broadcast_to(ramp, (len(ramp), len(ramp), SIZE)).copy()
            out, _ = apply_augmentation(image, np.zeros(image.shape, np.uint8), augmentation, SIZE)
            # A linear ramp stays linear unless repeated voxels of the border reach the patch.
            assert np.abs(np.diff(out, n=2, axis=0)).max() < 1e-3
            assert np.abs(np.diff(out, n=2, axis=1)).max() < 1e-3


def test_a_shift_is_in_units_of_the_normalised_image() -> None:
    image, target = _ball(0)
    config = AugmentConfig(
        shift_chance=1.0, rotate_chance=0, zoom_chance=0, flip_chance=0, quarter_turn_chance=0
    )
    drawn = draw_augmentation(np.random.default_rng(0), config, shift_scale=10.0)
    assert 0 < abs(drawn.shift) <= 2.0
    np.testing.assert_allclose(
        apply_augmentation(image, target, drawn, SIZE)[0], image + drawn.shift, rtol=1e-6
    )


def test_augmentations_are_drawn_with_their_chances_and_within_their_ranges() -> None:
    config = AugmentConfig()
    rng = np.random.default_rng(0)
    drawn = [draw_augmentation(rng, config, 1.0) for _ in range(4000)]
    share = {
        "angle": np.mean([d.angle != 0 for d in drawn]),
        "zoom": np.mean([d.zoom != (1, 1) for d in drawn]),
        "turns": np.mean([d.quarter_turns > 0 for d in drawn]),
        "shift": np.mean([d.shift != 0 for d in drawn]),
        "flip": np.mean([d.flips for d in drawn]),
    }
    expected = {"angle": 0.3, "zoom": 0.3, "turns": 0.5, "shift": 0.5, "flip": 0.5}
    assert share == pytest.approx(expected, abs=0.03)
    assert max(abs(d.angle) for d in drawn) <= np.pi / 6
    assert {d.quarter_turns for d in drawn} == {0, 1, 2, 3}
    assert 0.9 <= min(min(d.zoom) for d in drawn) < max(max(d.zoom) for d in drawn) <= 1.1
    assert max(abs(d.shift) for d in drawn) <= 20


def test_only_resampling_needs_a_margin() -> None:
    assert Augmentation(flips=(True, True, True), quarter_turns=2).margin(64) == 0
    assert Augmentation(angle=np.pi / 6, zoom=(0.9, 0.9)).margin(64) == 18


@pytest.mark.parametrize(("plane", "axes"), [("ij", (0, 1)), ("jk", (1, 2)), ("ik", (0, 2))])
def test_quarter_turns_lie_in_the_plane_that_is_asked_for(
    plane: str, axes: tuple[int, int]
) -> None:
    config = AugmentConfig(
        flip_chance=0,
        rotate_chance=0,
        zoom_chance=0,
        shift_chance=0,
        quarter_turn_chance=1,
        quarter_turn_plane=plane,
    )
    drawn = draw_augmentation(np.random.default_rng(0), config, 60.0)
    image, target = _ball(0)
    turned, _ = apply_augmentation(image, target, drawn, SIZE)
    np.testing.assert_array_equal(turned, np.rot90(image, drawn.quarter_turns, axes))
    assert drawn.quarter_turns in (1, 2, 3)
