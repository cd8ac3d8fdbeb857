"""Write clicks to files: our own JSON in voxels, or `.mrk.json` for 3D Slicer."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promise_cli.disk.atomic import write_text
from promise_cli.geometry.grid import Grid
from promise_cli.prompts.click import BACKGROUND, ONE_LESION, Click, Lesion, Space, lesions
from promise_cli.prompts.places import point_of, voxel_of
from promise_cli.prompts.points import FORMAT, VERSION
from promise_cli.prompts.values import sign_of_name

_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
POINTS_MARK = re.compile(r'"format": "promise-points",[^{}]*"note": "[^\n]* by promise-predict"')
"""Mark of the JSON files that promise-predict writes. Other files of this format may be a person's own."""
MARKUPS_MARK = re.compile(
    r'\A\{\s*"@schema": "[^"]*",\s*"markups": \[\s*\{\s*"type": "Fiducial",\s*"name": [^\n]*\s*'
    r'"coordinateSystem": "LPS",\s*"coordinateUnits": "mm",\s*"controlPoints": \[\s*\{\s*"id": "1",\s*'
    r'"label": "(?:click|background)-1",'
)
"""Mark of the files for 3D Slicer that this tool writes. Slicer stores further fields when it saves them again."""


def write_points(
    path: Path, clicks: Mapping[str, tuple[Click, ...]], stored: Mapping[str, Grid], note: str = ""
) -> None:
    """Write the clicks of all cases as `promise-points`, full form, in voxels of each scan's file.

    Args:
        path: File to write. It appears whole or not at all.
        clicks: Clicks of each case, in any coordinate system.
        stored: Grid of each case's scan file.
        note: Remark that is stored in the file; an empty one is left out.
    """
    content: dict[str, Any] = {"format": FORMAT, "version": VERSION, "space": "voxel"}
    if note:
        content["note"] = note
    lines = [
        f"    {json.dumps(case, ensure_ascii=False)}: {json.dumps(_case(its, stored[case]), ensure_ascii=False)}"
        for case, its in clicks.items()
    ]
    head = json.dumps(content, indent=2, ensure_ascii=False).removesuffix("\n}")
    body = ",\n".join(lines)
    write_text(path, f'{head},\n  "cases": {{\n{body}\n  }}\n}}\n')


def write_markups(path: Path, clicks: tuple[Click, ...], stored: Grid) -> None:
    """Write one case's clicks as point lists of 3D Slicer, one for each lesion, in LPS millimetres.

    Slicer's files cannot store the lesions' mask values. When they are read, the lesions get 1, 2, ... in order.
    """
    markups = [
        _point_list(lesion, its, stored, number)
        for number, (lesion, its) in enumerate(lesions(clicks).items(), 1)
    ]
    content = {"@schema": _SCHEMA, "markups": markups}
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _case(clicks: tuple[Click, ...], stored: Grid) -> dict[str, Any]:
    found = lesions(clicks)
    if set(found) == {ONE_LESION}:
        return {"points": _points(clicks, stored)}
    return {
        "objects": [
            ({"name": lesion.name} if lesion.name else {})
            | {"value": lesion.value, "points": _points(its, stored)}
            for lesion, its in found.items()
        ]
    }


def _points(clicks: tuple[Click, ...], stored: Grid) -> list[Any]:
    points = []
    for click in clicks:
        xyz = [_plain(value) for value in voxel_of(click.point, click.space, stored)]
        points.append({"xyz": xyz, "label": BACKGROUND} if click.sign == BACKGROUND else xyz)
    return points


def _plain(value: float) -> int | float:
    """Round to six decimals, or to the nearest whole number if the value differs from it only by rounding."""
    return round(value) if abs(value - round(value)) < 1e-5 else round(float(value), 6)


def _point_list(
    lesion: Lesion, clicks: tuple[Click, ...], stored: Grid, number: int
) -> dict[str, Any]:
    name = lesion.name or ("clicks" if lesion == ONE_LESION else f"clicks {number}")
    if sign_of_name(name) == BACKGROUND:  # such a list would be read as background clicks
        name = f"lesion {name}"
    space: Space = "LPS"
    points = []
    for count, click in enumerate(clicks, 1):
        word = "background" if click.sign == BACKGROUND else "click"
        place = point_of(voxel_of(click.point, click.space, stored), space, stored)
        points.append(
            {
                "id": str(count),
                "label": f"{word}-{count}",
                "position": [round(float(value), 6) for value in place],
                "selected": True,
                "visibility": True,
                "positionStatus": "defined",
            }
        )
    return {
        "type": "Fiducial",
        "name": name,
        "coordinateSystem": space,
        "coordinateUnits": "mm",
        "controlPoints": points,
    }
