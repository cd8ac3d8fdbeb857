"""Refuse tables whose rows are parts of shapes, since their coordinates would pass for clicks."""

import re
from collections.abc import Sequence

from promise_cli.errors import PromptError, shown

_WORDS = {"vertex", "vertices", "polygon", "polyline", "curve", "contour", "roi", "rois"}
_PAIRS = ({"shape", "type"}, {"bounding", "box"})
_SIZES = {"width", "height"}
_TYPE = ("type", "shape", "kind", "geometry")
"""Columns whose cells may name a kind of shape."""
_SHAPES = {
    "rectangle", "ellipse", "polygon", "line", "path", "polyline", "curve", "closedcurve", "roi", "plane", "angle",
    "box", "contour", "linestring",
}  # fmt: skip
_ADVICE = "place points (in napari: in a Points layer) and save those"


def refuse_shapes(names: Sequence[str], rows: Sequence[Sequence[str]], where: str) -> None:
    """Refuse a table of shapes, such as napari's Shapes layer, regions of interest, curves or boxes.

    Args:
        names: Names of the columns, in lower case.
        rows: The rows below, as cells.
        where: Name of the file in error messages.

    Raises:
        PromptError: A column's name, or a cell that names a kind, says that the rows are not points.
    """
    for name in names:
        words = set(re.split(r"[^a-z]+", name.replace("shapetype", "shape type")))
        words |= {"vertex"} if name.startswith("vertex") else set()
        if words & _WORDS or any(pair <= words for pair in _PAIRS):
            raise PromptError(
                f"{where}: the column {shown(name)} says that the rows are parts of shapes, not points; {_ADVICE}"
            )
    if set(names) >= _SIZES:
        raise PromptError(
            f"{where}: the columns 'width' and 'height' say that the rows are boxes, not points; {_ADVICE}"
        )
    kinds = [number for number, name in enumerate(names) if name in _TYPE]
    for number, row in enumerate(rows, 2):
        for cell in (row[kind].strip() for kind in kinds if kind < len(row)):
            if re.sub(r"[^a-z]", "", cell.lower()) in _SHAPES:
                raise PromptError(
                    f"{where}: row {number} is a {shown(cell)}, not a point; {_ADVICE}"
                )
