"""Files as 3D Slicer, MITK and napari write them are read, each in its own coordinate system."""

from pathlib import Path

import pytest

from promise_cli.errors import PromptError
from promise_cli.prompts import BACKGROUND, FOREGROUND, Click, read_prompts

FILES = Path(__file__).parent / "files"
LPS = ((-12.4, 88.1, -310.0), (-3.0, 80.2, -312.5))


def _rounded(clicks: tuple[Click, ...]) -> list[tuple[tuple[float, ...], int, str]]:
    return [(tuple(round(x, 9) for x in c.point), c.sign, c.space) for c in clicks]


@pytest.mark.parametrize(
    "name", ["slicer_5.mrk.json", "slicer_5.fcsv", "slicer_4_11.fcsv", "slicer_table.csv"]
)
def test_slicers_points_are_lps_and_those_never_set_are_left_out(name: str) -> None:
    (clicks,) = read_prompts(FILES / name).values()
    assert _rounded(clicks) == [(LPS[0], FOREGROUND, "LPS"), (LPS[1], BACKGROUND, "LPS")]


def test_files_of_slicer_before_4_11_are_in_ras() -> None:
    (clicks,) = read_prompts(FILES / "slicer_4_10.fcsv").values()
    assert _rounded(clicks) == [
        ((12.4, -88.1, -310.0), FOREGROUND, "RAS"),
        ((3.0, -80.2, -312.5), BACKGROUND, "RAS"),
    ]


def test_files_of_slicer_3_name_no_coordinate_system_and_need_the_option() -> None:
    with pytest.raises(
        PromptError,
        match="unknown, because there is no line '# CoordinateSystem = LPS'; give --space LPS or --space RAS",
    ):
        read_prompts(FILES / "slicer_3.fcsv")
    (clicks,) = read_prompts(FILES / "slicer_3.fcsv", space="RAS").values()
    assert _rounded(clicks)[0] == ((12.4, -88.1, -310.0), FOREGROUND, "RAS")


def test_mitks_points_are_lps() -> None:
    (clicks,) = read_prompts(FILES / "mitk.mps").values()
    assert _rounded(clicks) == [(point, FOREGROUND, "LPS") for point in LPS]


def test_mitks_geometry_moves_its_points(tmp_path: Path) -> None:
    text = (FILES / "mitk.mps").read_text().replace('m_0_0="1"', 'm_0_0="0" m_9="1"')
    text = text.replace('m_0_1="0"', 'm_0_1="2"').replace('Vector3D" x="0"', 'Vector3D" x="5"')
    (tmp_path / "a.mps").write_text(text)
    (clicks,) = read_prompts(tmp_path / "a.mps").values()
    assert clicks[1].point == (2 * 80.2 + 5, 80.2, -312.5)


def test_mitks_oldest_files_have_no_time_steps(tmp_path: Path) -> None:
    text = (FILES / "mitk.mps").read_text()
    for line in ("<time_series>", "</time_series>", "<time_series_id>0</time_series_id>"):
        text = text.replace(line, "")
    (tmp_path / "a.mps").write_text(text)
    (clicks,) = read_prompts(tmp_path / "a.mps").values()
    assert [click.point for click in clicks] == list(LPS)


def test_naparis_axes_need_a_space_that_says_their_order() -> None:
    with pytest.raises(
        PromptError,
        match="row 2: the coordinate system of axis-0, axis-1, axis-2 is unknown; add a column 'space' or give --space",
    ):
        read_prompts(FILES / "napari.csv")
    (clicks,) = read_prompts(FILES / "napari.csv", space="voxel_zyx").values()
    assert clicks[0] == Click((42, 301, 256), space="voxel_zyx")


@pytest.mark.parametrize(
    "name", ["slicer_5.mrk.json", "slicer_4_11.fcsv", "slicer_table.csv", "mitk.mps"]
)
def test_a_file_that_says_its_coordinate_system_is_not_overruled(name: str) -> None:
    assert read_prompts(FILES / name, space="LPS") == read_prompts(FILES / name)
    with pytest.raises(PromptError, match="but --space says RAS; leave out --space"):
        read_prompts(FILES / name, space="RAS")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"LPS"', '"scanner"'), "unknown coordinateSystem 'scanner'; it must be LPS or RAS"),
        (('"mm"', '"inch"'), "unknown coordinateUnits 'inch'; it must be mm"),
        (('"Fiducial"', '"Line"'), r"holds Line; expected a point list of 3D Slicer \(Fiducial\)"),
        (("-310.0", '"x"'), r"point 1: position must be three numbers, found \[-12.40.*, 'x'\]"),
        (
            ('"F-1"', '"negative"'),
            "all clicks are background; add a foreground click on the target",
        ),
        (('"defined"', '"preview"'), "holds no point that was placed; place one on the target"),
    ],
)
def test_a_damaged_file_of_slicer_is_refused_in_one_line(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = tmp_path / "a.mrk.json"
    path.write_text((FILES / "slicer_5.mrk.json").read_text().replace(*change))
    with pytest.raises(PromptError, match=message) as caught:
        read_prompts(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "space"), [("0", "RAS"), ("1", "LPS"), ('"RAS"', "RAS"), ('"1"', "LPS")]
)
def test_slicers_numbers_for_coordinate_systems_are_understood(
    tmp_path: Path, given: str, space: str
) -> None:
    path = tmp_path / "a.mrk.json"
    path.write_text((FILES / "slicer_5.mrk.json").read_text().replace('"LPS"', given))
    assert {click.space for click in read_prompts(path)["a"]} == {space}


def test_micrometres_become_millimetres(tmp_path: Path) -> None:
    path = tmp_path / "a.mrk.json"
    text = (FILES / "slicer_5.mrk.json").read_text().replace('"mm"', '["um", "UCUM", "micrometer"]')
    path.write_text(text)
    assert read_prompts(path)["a"][1].point == pytest.approx((-0.003, 0.0802, -0.3125))


def test_several_point_lists_are_several_lesions_and_share_the_background(tmp_path: Path) -> None:
    path = tmp_path / "a.mrk.json"
    lists = [
        f'{{"type": "Fiducial", "name": "{name}", "controlPoints": [{{"position": [{x}, 0, 0]}}]}}'
        for x, name in enumerate(("left", "Background", "right"))
    ]
    path.write_text(f'{{"@schema": "x", "markups": [{", ".join(lists)}]}}')
    clicks = read_prompts(path)["a"]
    assert [(c.lesion.name, c.lesion.value, c.point[0], c.sign) for c in clicks] == [
        ("left", 1, 0, FOREGROUND),
        ("left", 1, 1, BACKGROUND),
        ("right", 2, 2, FOREGROUND),
        ("right", 2, 1, BACKGROUND),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<points/>", "not a point set of MITK; expected <point_set_file>, found <points>"),
        (b"<point_set_file>", "not readable as XML"),
        (b"<!DOCTYPE x><point_set_file/>", "has a DOCTYPE, which MITK never writes"),
        (b"<point_set_file/>", "holds no point; expected one point set with one time step"),
        (
            b"<point_set_file><time_series><point><x>1</x></point></time_series></point_set_file>",
            "point 1: expected a number, found None",
        ),
        (
            b"<point_set_file>"
            + 2 * b"<time_series><point><x>1</x></point></time_series>"
            + b"</point_set_file>",
            "holds 2 sets of points; expected one point set with one time step",
        ),
    ],
)
def test_a_damaged_point_set_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.mps"
    path.write_bytes(content)
    with pytest.raises(PromptError, match=message):
        read_prompts(path)


HEAD = "# CoordinateSystem = LPS\n# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("1,-2,5,4,3,0,0,0,1,1,1,0,F-1,,", 15),  # x is -2,5
        ("1,-2,5,4,1,3,0,0,0,1,1,1,0,F-1,,", 16),  # as many cells as Slicer 5 writes
        ("1,-2,5,4,0,3,0,0,0,0,1,1,1,0,F-1,,", 17),
        ("1,-2,5,4,0,3,0,0,0,0,1,1,1,0,F-1,,,2,0", 19),
        ("1,-2.5,4,3,0,0,0,1,1,1,0,F-1,a,b,c", 15),
        ("1,-2.5,4,3,0,0,0,1,1,1", 10),  # cut off
        ("1,-2.5,4,3", 4),
    ],
)
def test_a_row_of_fcsv_with_too_many_or_too_few_cells_is_refused(
    tmp_path: Path, row: str, cells: int
) -> None:
    path = tmp_path / "a.fcsv"
    path.write_text(f"{HEAD}{row}\n")
    with pytest.raises(PromptError) as caught:
        read_prompts(path)
    assert str(caught.value) == (
        f"{path}: {cells} cells for 14 columns in the line {row!r}; write decimals with a point, and a text that holds"
        " a comma in quotes"
    )


def test_a_short_row_of_fcsv_is_read_only_where_no_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.fcsv"
    path.write_text("# CoordinateSystem = LPS\n1,-2.5,4,3\n")
    assert read_prompts(path)["a"] == (Click((-2.5, 4, 3), space="LPS"),)
    path.write_text("# CoordinateSystem = LPS\n1,-2,5,4,3\n")
    with pytest.raises(PromptError, match="5 cells for 14 columns in the line '1,-2,5,4,3'; write"):
        read_prompts(path)


LIST = (
    '"coordinateSystem": "RAS", "controlPoints": [{"label": "F-1", "position": [-2.0, 4.0, 3.0],'
    ' "positionStatus": "defined"}]'
)


@pytest.mark.parametrize("name", ["a.mrk.json", "a.json"])
@pytest.mark.parametrize(
    "text",
    [
        f'{{"markups": [{{"markup": {{"type": "Fiducial", {LIST}}}}}]}}',
        f'{{"markupsType": "Fiducial", {LIST}}}',
        f"{{{LIST}}}",
    ],
)
def test_early_layouts_of_slicers_json_are_read_if_they_name_their_space(
    tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert read_prompts(path) == {"a": (Click((-2, 4, 3), space="RAS"),)}
    path.write_text(text.replace('"coordinateSystem": "RAS", ', ""))
    with pytest.raises(PromptError, match="of an early version of 3D Slicer that names no coord"):
        read_prompts(path)
    path.write_text(text.replace("Fiducial", "Curve"))
    if "Curve" in path.read_text():
        with pytest.raises(PromptError, match="holds Curve; expected a point list of 3D Slicer"):
            read_prompts(path)


def test_a_mrk_json_that_is_no_markups_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.mrk.json"
    path.write_text('{"a": [1, 2, 3]}')
    with pytest.raises(PromptError, match="not a markups file as 3D Slicer writes it; save it"):
        read_prompts(path)


def test_a_file_with_background_lists_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mrk.json"
    path.write_text(f'{{"markups": [{{"name": "bg", {LIST}}}]}}')
    with pytest.raises(PromptError, match="all point lists are named as background; place a poin"):
        read_prompts(path)
