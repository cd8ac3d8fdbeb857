"""Clicks that were written are read back with the same meaning, as our own JSON and as a point list of 3D Slicer."""

import json
from pathlib import Path

import fastjsonschema
import numpy as np

from promise_cli.geometry.grid import Grid
from promise_cli.prompts import (
    BACKGROUND,
    Click,
    Lesion,
    nearest_voxel,
    read_prompts,
    write_markups,
    write_points,
)
from tests.conftest import OBLIQUE, affine_of
from tests.test_click_files.test_points import SCHEMA

STORED = Grid((60, 50, 40), OBLIQUE @ affine_of("PIR", (0.7, 0.8, 2.5), (-10, 20, 30)))
LEFT, RIGHT = Lesion(3, "left", 1), Lesion(7, "right", 2)


def _lps(ijk: tuple[float, float, float]) -> tuple[float, float, float]:
    x, y, z = STORED.world(ijk).tolist()
    return -x, -y, z


def test_any_clicks_come_back_as_voxels(tmp_path: Path) -> None:
    clicks = {
        "a": (Click(_lps((30, 20, 10)), space="LPS"), Click((9, 8, 7.25), BACKGROUND, "voxel_zyx")),
        "b": (Click((1, 2, 3), lesion=LEFT), Click((4, 5, 6), lesion=RIGHT)),
    }
    path = tmp_path / "points.json"
    write_points(path, clicks, {"a": STORED, "b": STORED}, note="from F.mrk.json")
    assert read_prompts(path) == {
        "a": (Click((30, 20, 10)), Click((7.25, 8, 9), BACKGROUND)),
        "b": clicks["b"],
    }
    content = json.loads(path.read_text())
    fastjsonschema.compile(SCHEMA)(content)
    assert content["note"] == "from F.mrk.json"
    assert content["cases"]["a"]["points"] == [
        [30, 20, 10],
        {"xyz": [7.25, 8, 9], "label": 0},
    ]


def test_a_point_list_of_slicer_leads_to_the_same_voxels(tmp_path: Path) -> None:
    clicks = (
        Click((30, 20, 10), lesion=LEFT),
        Click((31, 20, 10), BACKGROUND, lesion=LEFT),
        Click((5, 6, 7), lesion=RIGHT),
    )
    path = tmp_path / "a.mrk.json"
    write_markups(path, clicks, STORED)
    back = read_prompts(path)["a"]
    assert [nearest_voxel(c.point, c.space, STORED) for c in back] == [c.point for c in clicks]
    assert [(c.sign, c.lesion.name) for c in back] == [(1, "left"), (0, "left"), (1, "right")]
    markup = json.loads(path.read_text())["markups"][0]
    assert (markup["type"], markup["coordinateSystem"], markup["coordinateUnits"]) == (
        "Fiducial",
        "LPS",
        "mm",
    )
    np.testing.assert_allclose(
        markup["controlPoints"][0]["position"], _lps((30, 20, 10)), atol=1e-6
    )


def test_a_lesion_whose_name_says_background_stays_a_lesion_in_slicers_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mrk.json"
    clicks = (Click((1, 2, 3), lesion=Lesion(1, "bg node", 1)),)
    write_markups(path, clicks, STORED)
    assert [click.sign for click in read_prompts(path)["a"]] == [1]
