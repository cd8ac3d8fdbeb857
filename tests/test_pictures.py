"""A picture shows the slices through the click, also where there is nothing to outline."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from promise_cli.pictures import draw_case

SHAPE = (20, 24, 12)


def _draw(path: Path, prediction: np.ndarray, label: np.ndarray | None) -> np.ndarray:
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    draw_case(image, prediction, label, (10, 12, 6), (0.8, 0.8, 3.0), "case [1]", path)
    return imread(path)


def test_outlines_of_prediction_and_label_are_drawn_in_their_colours(tmp_path: Path) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[5:15, 6:18, 3:9] = True
    empty = np.zeros(SHAPE, bool)
    plain = _draw(tmp_path / "plain.png", empty, None)
    both = _draw(tmp_path / "both.png", mask, np.roll(mask, 3, axis=(0, 1, 2)))
    assert plain.shape == both.shape
    for colour in ([1.0, 0.498, 0.055], [0.090, 0.745, 0.812]):  # tab:orange, tab:cyan
        count = [
            (np.abs(picture[..., :3] - colour).max(axis=-1) < 0.05).sum()
            for picture in (plain, both)
        ]
        assert count[1] > count[0] + 50


@pytest.mark.parametrize("value", [False, True])
def test_an_empty_or_full_mask_has_no_outline_and_no_error(tmp_path: Path, value: bool) -> None:
    _draw(tmp_path / "case.png", np.full(SHAPE, value), np.full(SHAPE, value))
    assert [path.name for path in tmp_path.iterdir()] == ["case.png"]
