import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from promise_cli.report import Outline, draw_slices
from promise_cli.report.boxes import box_plot
from promise_cli.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Curve, line_chart
from promise_cli.report.slices import outline_path

SPACING = (1.0, 1.0, 2.0)


def cube(start, size=6, shape=(120, 110, 60)):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(first, first + size) for first in start)] = True
    return mask


def decode(picture):
    data = base64.b64decode(picture.image.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(data)))


def test_slices_are_oriented_as_radiologists_view_them():
    """The patient's right is on the left of axial and coronal slices, and the front on top of axial slices."""
    mask = cube((57, 52, 27))
    image = np.where(np.indices(mask.shape)[0] > 60, 100.0, 0.0)
    image[:, 55:] += 50
    axial, coronal, sagittal = draw_slices(image, [Outline("label", mask)], SPACING)
    assert [(p.plane, p.left, p.top) for p in (axial, coronal, sagittal)] == [
        ("axial", "R", "A"),
        ("coronal", "R", "S"),
        ("sagittal", "A", "S"),
    ]
    found = decode(axial)
    assert found.shape == (axial.rows, axial.columns)
    assert found[2, 2] > found[2, -3]
    assert found[2, 2] > found[-3, 2]
    assert decode(sagittal)[0, 2] > decode(sagittal)[0, -3]


def test_slices_go_through_the_place_where_two_masks_differ_most():
    label = cube((50, 50, 10), 12)
    prediction = label.copy()
    prediction[50:62, 50:62, 20] = False
    axial, _, _ = draw_slices(
        None, [Outline("prediction", prediction), Outline("label", label)], SPACING
    )
    assert axial.number == 21
    assert axial.image is None
    assert [name for name, _ in axial.outlines] == ["label"]


def test_a_picture_is_cut_around_the_masks_and_true_to_scale():
    axial, coronal, _ = draw_slices(None, [Outline("label", cube((57, 52, 27)))], SPACING)
    assert (axial.width_mm, axial.height_mm) == (80.0, 80.0)
    assert (coronal.rows, coronal.height_mm) == (40, 80.0)


def test_slices_go_through_the_given_voxel_and_show_clicks_as_crosses():
    mask = cube((57, 52, 27))
    clicks = [("click", (60, 55, 30)), ("background-click", (60, 20, 30)), ("click", (1, 2, 3))]
    shown = draw_slices(None, [Outline("prediction", mask)], SPACING, (60, 55, 30), clicks)
    axial, coronal, sagittal = shown
    counted = [(p.number, p.of, p.counted_from) for p in shown]
    i, j, k = mask.shape
    assert counted == [(31, k, "below"), (56, j, "behind"), (61, i, "the left")]
    assert [[name for name, _ in p.outlines] for p in shown] == [
        ["prediction", "click", "background-click"],
        ["prediction", "click"],
        ["prediction", "click", "background-click"],
    ]
    # Pictures show 80 mm around the mask's middle (60, 55, 30). Columns run against i, rows against j and k.
    assert dict(axial.outlines)["click"] == "M36.5 39.5h6M39.5 36.5v6"
    assert dict(coronal.outlines)["click"] == "M36.5 19.5h6M39.5 18v3"
    assert dict(sagittal.outlines)["background-click"].startswith(
        "M72.3787 18.4393l4.24264 2.12132M"
    )


@pytest.mark.parametrize("step", [1.0, 3.0, 8.0])
def test_a_background_click_is_an_x_of_two_right_angles_on_any_spacing(step):
    """The lines of the X have the length of an upright cross and slopes of 45 degrees in mm."""
    voxel = (60, 55, 30)
    shown = draw_slices(
        None,
        [Outline("prediction", cube((57, 52, 27)))],
        (0.8, 1.0, step),
        voxel,
        [("background-click", voxel)],
    )
    for picture in shown:
        path = dict(picture.outlines)["background-click"]
        lines = np.array(re.findall(r"l(\S+) ([^M]+)", path), float) * picture.spacing
        assert np.abs(lines) == pytest.approx(6 / np.sqrt(2), abs=1e-3)
        assert np.prod(lines[0]) > 0 > np.prod(lines[1])


def test_an_empty_mask_is_drawn_at_a_given_voxel():
    empty = [Outline("prediction", cube((0, 0, 0), 0))]
    assert len(draw_slices(np.zeros((120, 110, 60)), empty, SPACING, (0, 109, 59))) == 3


def test_masks_without_a_voxel_have_no_picture():
    assert draw_slices(None, [Outline("label", cube((0, 0, 0), 0))], SPACING) == ()


@pytest.mark.parametrize(
    ("mask", "path"),
    [
        ([[0, 0], [0, 0]], ""),
        ([[1]], "M0 0h1M0 1h1M0 0v1M1 0v1"),
        ([[1, 1], [0, 1]], "M0 0h2M0 1h1M1 2h1M0 0v1M1 1v1M2 0v2"),
    ],
)
def test_an_outline_runs_along_the_edges_of_the_voxels(mask, path):
    assert outline_path(np.array(mask, dtype=bool)) == path


def test_a_box_plot_has_every_case_and_escapes_names():
    drawn = box_plot({"a<b": {"case <1>": 0.5, "c2": 0.7, "c3": float("nan")}}, "Dice")
    assert drawn.count("<circle") == 2
    assert "case &lt;1&gt;: 0.5000" in drawn
    assert "a&lt;b" in drawn
    assert ">0.25<" in drawn


def test_charts_without_values_or_with_one_are_drawn():
    assert "<circle" not in box_plot({"a": {}}, "Dice")
    assert box_plot({"a": {"c": 12.0}}, "HD95 (mm)").count("<circle") == 1
    assert box_plot({"a": {"c": -0.5, "d": 0.5}}, "Volume difference").count("<circle") == 2


def test_a_curve_has_its_points_and_its_band():
    curve = Curve("random", (1, 2, 5), (0.5, 0.6, 0.65), ((0.4, 0.6), (0.5, 0.7), (0.6, 0.7)))
    drawn = line_chart([curve], "Dice", "clicks")
    assert drawn.count("<circle") == 3
    assert drawn.count("<polygon") == 1
    assert drawn.count("<polyline") == 1


def test_each_point_of_a_curve_shows_its_own_value_even_after_a_missing_one():
    curve = Curve("random", (1, 2, 5), (float("nan"), 0.6, 0.65))
    drawn = line_chart([curve, Curve("first", (1, 2, 5), (0.4, 0.5, 0.6))], "Dice", "clicks")
    circles = re.findall(r'<circle class="c(.)" cx="(.+?)" cy="(.+?)".*?: ([\d.]+)<', drawn)
    left, right = LEFT + 16, WIDTH - RIGHT - 16
    span = HEIGHT - BOTTOM - TOP
    expected = [(0, 2, 0.6), (0, 5, 0.65), (1, 1, 0.4), (1, 2, 0.5), (1, 5, 0.6)]
    assert [
        (int(number), (float(x) - left) / (right - left) * 4 + 1, 1 - (float(y) - TOP) / span)
        for number, x, y, _ in circles
    ] == [pytest.approx(one, abs=0.01) for one in expected]
    assert [float(value) for *_, value in circles] == [value for *_, value in expected]


@pytest.mark.parametrize(
    ("high", "text"), [(1.0, "W 0.980 L 0.500"), (1000.0, "W 980 L 500"), (0.0, "W 0 L 0")]
)
def test_window_and_level_are_shown_in_the_scale_of_the_scan(high: float, text: str) -> None:
    ramp = np.linspace(0, high, 30 * 30 * 30).reshape(30, 30, 30)
    mask = np.zeros(ramp.shape, dtype=bool)
    mask[15, 15, 15] = True
    picture = draw_slices(ramp, [Outline("label", mask)], (1.0, 1.0, 1.0))[0]
    assert picture.window_text == text
