"""The column names of a table of clicks say what the numbers mean, and nothing is guessed."""

from pathlib import Path

import pytest

from promise_cli.errors import PromptError
from promise_cli.prompts import BACKGROUND, Click, Lesion, gather_prompts, read_prompts


def _read(tmp_path: Path, text: str, **options: object) -> dict[str, tuple[Click, ...]]:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    return read_prompts(path, **options)  # type: ignore[arg-type]


def test_a_table_holds_many_cases_labels_spaces_and_objects(tmp_path: Path) -> None:
    text = (
        "case,x,y,z,label,space,object\n"
        "a.nii.gz,1,2,3,1,voxel,\n"
        "a,4,5,6,background,RAS,\n"
        "b_0000,7,8,9,,lps,tail\n"
        "b,1.5,0,0,fg,LPS,head\n"
        "b,2,0,0,0,LPS,tail\n"
    )
    tail, head = Lesion(1, "tail", 1), Lesion(2, "head", 2)
    assert _read(tmp_path, text) == {
        "a": (Click((1, 2, 3)), Click((4, 5, 6), BACKGROUND, "RAS")),
        "b": (
            Click((7, 8, 9), 1, "LPS", tail),
            Click((1.5, 0, 0), 1, "LPS", head),
            Click((2, 0, 0), BACKGROUND, "LPS", tail),
        ),
    }


@pytest.mark.parametrize(
    ("header", "space"), [("i,j,k", "voxel"), ("l,p,s", "LPS"), ("R,A,S", "RAS")]
)
def test_the_names_of_the_columns_say_the_coordinate_system(
    tmp_path: Path, header: str, space: str
) -> None:
    found = _read(tmp_path, f"case,{header}\na,1,2,3\n")
    assert found == {"a": (Click((1, 2, 3), space=space),)}  # type: ignore[arg-type]


def test_a_german_spreadsheet_is_read_too(tmp_path: Path) -> None:
    text = "\ufeffcase;i;j;k\r\na;1,5;2;3\r\n"
    assert _read(tmp_path, text) == {"a": (Click((1.5, 2, 3)),)}
    assert _read(tmp_path, f"sep=;\r\n{text[1:]}") == {"a": (Click((1.5, 2, 3)),)}


def test_a_table_without_cases_belongs_to_the_scan_of_its_name(tmp_path: Path) -> None:
    assert _read(tmp_path, "i,j,k\n1,2,3\n", scans=("a", "b")) == {"a": (Click((1, 2, 3)),)}
    with pytest.raises(
        PromptError, match="there is no column 'case', so it is unknown to which scan"
    ):
        _read(tmp_path, "i,j,k\n1,2,3\n", scans=("b", "c"))


def test_a_damaged_row_costs_only_its_own_case(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("case,i,j,k\na,1,2,3\nb,1,,3\nb,1,2,3\nc,7,8,9\n")
    gathered = gather_prompts(path)
    assert list(gathered.clicks) == ["a", "c"]
    assert gathered.broken == {
        "b": f"{path}: row 3: expected numbers in the columns i, j, k, found ['1', '', '3'];"
        " write plain numbers with a decimal point"
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must name the columns case and one of i,j,k"),
        ("1,2,3\n", "the first line must name the columns"),
        ("case,x,y\na,1,2\n", "the first line must name the columns"),
        ("index,axis-0,axis-1\n0,1,2\n", "the first line must name the columns"),
        ("index,axis-0,axis-1,axis-2,axis-3\n0,1,2,3,4\n", "the first line must name the columns"),
        ("case,i,j,k,lable\na,1,2,3,0\n", "unknown column 'lable'; did you mean 'label'?"),
        ("case,i,j,k,i\na,1,2,3,4\n", "two columns are named 'i'; keep one"),
        ("case,i,j,k\n", "holds no click"),
        ("case,i,j,k\n ,1,2,3\n", "row 2: the column 'case' is empty"),
        ("case,i,j,k,label\na,1,2,3,0\n", "case a: all clicks are background"),
        ("case,i,j,k,label\na,1,2,3,lesion\n", "row 2: label must be 1 or 0, foreground or"),
        ("case,i,j,k,space\na,1,2,3,world\n", "row 2: unknown space 'world'; use one of voxel,"),
        (
            "case,i,j,k,space\na,1,2,3,LPS\n",
            "row 2: the coordinate systems LPS and voxel contradict each other",
        ),
        (
            "case,x,y,z\na,1,2,3\n",
            "row 2: the coordinate system of x, y, z is unknown; add a column",
        ),
        ("case,i,j,k,value\na,1,2,3,256\n", "row 2: value must be a whole number from 1 to 255"),
        ("case,i,j,k\na,1,2,nan\n", "row 2: expected numbers in the columns i, j, k"),
        ("case,i,j,k\na,1_0,2,3\n", "row 2: expected numbers in the columns i, j, k"),
        (
            "case,i,j,k,object,value\na,1,2,3,x,1\na,1,2,3,x,2\n",
            "row 3: object 'x' has value 2 here, but 1 in an earlier row; give it one value",
        ),
    ],
)
def test_a_table_that_is_no_table_of_clicks_is_refused_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(PromptError) as caught:
        _read(tmp_path, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_with_more_cells_than_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("case,i,j,k\nx,1,5,2,3\n")
    with pytest.raises(PromptError) as caught:
        read_prompts(path)
    assert "row 2: 5 cells for 4 columns; write decimals with a point" in str(caught.value)


@pytest.mark.parametrize("row", ["x,1,5,2,,", "x,1,2,3,,", "x,1,2,3,a,b"])
def test_a_row_that_is_longer_by_empty_cells_is_refused_too(tmp_path: Path, row: str) -> None:
    """An empty cell at the end may be a column that a decimal comma has shifted."""
    with pytest.raises(PromptError, match="row 2: 6 cells for 5 columns; write decimals with a po"):
        _read(tmp_path, f"case,i,j,k,note\n{row}\n")
