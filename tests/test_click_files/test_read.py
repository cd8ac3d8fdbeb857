"""Click files are matched with their scans, folders of them are read, and other files are refused."""

import json
import shutil
from pathlib import Path

import pytest

from promise_cli.errors import PromptError
from promise_cli.prompts import Click, gather_prompts, read_prompts
from tests.test_click_files.test_tools import FILES


def test_a_file_of_slicer_belongs_to_the_scan_of_its_name(tmp_path: Path) -> None:
    for name in ("liver_3.mrk.json", "liver_3.nii.gz.mrk.json", "liver_3_0000.MRK.JSON"):
        shutil.copy(FILES / "slicer_5.mrk.json", tmp_path / name)
        assert list(read_prompts(tmp_path / name, scans=("liver_3", "liver_4"))) == ["liver_3"]


def test_slicers_default_name_belongs_to_the_only_scan(tmp_path: Path) -> None:
    path = tmp_path / "F.mrk.json"
    shutil.copy(FILES / "slicer_5.mrk.json", path)
    assert list(read_prompts(path, scans=("liver_3",))) == ["liver_3"]
    with pytest.raises(PromptError) as caught:
        read_prompts(path, scans=("liver_3", "F1"))
    assert str(caught.value) == (
        f"{path}: its name does not say which scan it belongs to; name it after its scan, such as"
        " liver_3.mrk.json; nearest names: F1"
    )


def test_a_folder_may_mix_formats(tmp_path: Path) -> None:
    for name, case in (
        ("slicer_5.mrk.json", "a.mrk.json"),
        ("slicer_5.fcsv", "b.fcsv"),
        ("mitk.mps", "c.mps"),
        ("slicer_table.csv", "d.csv"),
    ):
        shutil.copy(FILES / name, tmp_path / case)
    (tmp_path / "more.json").write_text(json.dumps({"e": [1, 2, 3]}))
    (tmp_path / ".hidden.fcsv").write_text("no")
    (tmp_path / "notes.txt").write_text("no")
    found = read_prompts(tmp_path, scans="abcde")
    assert {case: clicks[0].space for case, clicks in found.items()} == {
        "a": "LPS",
        "b": "LPS",
        "c": "LPS",
        "d": "LPS",
        "e": "voxel",
    }


def test_a_damaged_file_in_a_folder_costs_only_its_own_case(tmp_path: Path) -> None:
    shutil.copy(FILES / "slicer_5.fcsv", tmp_path / "a.fcsv")
    shutil.copy(FILES / "slicer_5.fcsv", tmp_path / "twice.fcsv")
    shutil.copy(FILES / "mitk.mps", tmp_path / "twice.mps")
    (tmp_path / "b.mrk.json").write_text('{"markups": [')
    (tmp_path / "c.csv").write_bytes(b"\xff\xfe\x00")
    shutil.copy(FILES / "slicer_5.fcsv", tmp_path / "stranger.fcsv")
    gathered = gather_prompts(tmp_path, scans=("a", "b", "c", "twice"))
    assert list(gathered.clicks) == ["a"]
    assert "not readable as JSON" in gathered.broken["b"]
    assert "not UTF-8 text" in gathered.broken["c"]
    assert "case twice is listed twice" in gathered.broken["twice"]
    assert (
        "stranger.fcsv: its name does not say which scan it belongs to"
        in gathered.broken["stranger"]
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "p.txt",
            b"1 2 3",
            "not a click file; click files end in .mrk.json, .json, .fcsv, .mps, .csv, .tsv",
        ),
        ("scan.nii.gz", b"\x1f\x8b", "not a click file; click files end in"),
        ("p.json", b"", "not readable as JSON"),
        ("p.json", b"[" * 100_000, "not readable as JSON"),
        ("p.json", b'{"a": [1, 2, ' + b"9" * 5000 + b"]}", "not readable as JSON"),
        ("p.json", b'{"a": [1, 2, 1e400]}', "of three numbers, found [1, 2, inf]"),
        ("p.fcsv", b"# CoordinateSystem = LPS\n1,2\n", "must be numbers, found the line '1,2'"),
        ("p.fcsv", b"# CoordinateSystem = 2\n1,2,3,4\n", "unknown CoordinateSystem 2; it must"),
        ("p.fcsv", b"# CoordinateSystem = LPS\n", "holds no point that was placed"),
        (
            "p.fcsv",
            b"# CoordinateSystem = LPS\n# columns = a,b\n1,2\n",
            "must name x, y and z, found a, b",
        ),
        ("p.csv", b'case,i,j,k\na,1,2,"' + b"x" * 200_000, "not readable as a table"),
    ],
)
def test_a_file_that_is_no_click_file_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PromptError) as caught:
        read_prompts(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_an_empty_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="no click file in this folder; click files end in"):
        read_prompts(tmp_path)
    with pytest.raises(PromptError, match=r"none\.fcsv: no such file"):
        read_prompts(tmp_path / "none.fcsv")


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, 2, 3]}')
    assert read_prompts(path) == {"a": (Click((1, 2, 3)),)}
