"""Tables whose rows are vertices, regions or boxes are refused by name, never read as clicks."""

from pathlib import Path

import pytest

from promise_cli.errors import PromptError
from promise_cli.prompts import Click, read_prompts

PARTS = "says that the rows are parts of shapes, not points; place points (in napari: in a Points layer) and save those"


def _read(path: Path, text: str) -> dict[str, tuple[Click, ...]]:
    path.write_text(text)
    return read_prompts(path, space="voxel")


def test_naparis_shapes_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "shapes.csv"
    text = "index,shape-type,vertex-index,axis-0,axis-1,axis-2\n0,rectangle,0,4,4,6\n0,rectangle,1,4,18,6\n"
    with pytest.raises(PromptError) as caught:
        _read(path, text)
    assert str(caught.value) == f"{path}: the column 'shape-type' {PARTS}"


@pytest.mark.parametrize(
    "name",
    ["vertex-index", "Vertex", "vertex_id", "ShapeType", "shape type", "ROI", "roi name", "roi_id", "Curve",
     "polygon", "polyline id", "contour-index", "bounding box", "vertexIndex"],
)  # fmt: skip
def test_a_column_that_names_a_shape_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PromptError, match=r"the column .* says that the rows are parts of shapes"):
        _read(tmp_path / "a.csv", f"{name},i,j,k\n1,1,2,3\n")


@pytest.mark.parametrize("column", ["type", "shape", "Kind", "geometry"])
@pytest.mark.parametrize(
    "kind", ["rectangle", "Ellipse", "path", "Closed curve", "ROI", "LineString"]
)
def test_a_row_that_is_a_shape_is_refused(tmp_path: Path, column: str, kind: str) -> None:
    with pytest.raises(PromptError, match=f"row 3 is a '{kind}', not a point; place points"):
        _read(tmp_path / "a.csv", f"{column},i,j,k\npoint,1,2,3\n{kind},1,2,3\n")


def test_boxes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="'width' and 'height' say that the rows are boxes"):
        _read(tmp_path / "a.csv", "i,j,k,width,height\n1,2,3,4,5\n")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("type,i,j,k", "point,1,2,3"),
        ("shape,i,j,k", "irregular,1,2,3"),
        ("diameter_mm,i,j,k", "9,1,2,3"),
        ("file path,i,j,k", "a/b.nii,1,2,3"),
        ("pixel type,i,j,k", "line,1,2,3"),
        ("heroine,i,j,k", "x,1,2,3"),
        ("width,i,j,k", "9,1,2,3"),
    ],
)
def test_other_columns_are_ignored_as_before(tmp_path: Path, header: str, row: str) -> None:
    assert _read(tmp_path / "a.csv", f"{header}\n{row}\n") == {"a": (Click((1, 2, 3)),)}
