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
