"""Write one click in every format and coordinate system, as the tools write it."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LPS = np.array([-1.0, -1.0, 1.0])


def write_everywhere(folder: Path, ijk: NDArray, affine: NDArray) -> dict[Path, str | None]:
    """Write a click on voxel `ijk` of a scan with this affine in every format.

    Returns:
        The `--space` that each written file needs; None where the file itself says it.
    """
    ras = affine[:3, :3] @ ijk + affine[:3, 3]
    places = {"voxel": ijk, "voxel_zyx": ijk[::-1], "LPS": ras * LPS, "RAS": ras}
    files: dict[Path, str | None] = {}

    def write(name: str, text: str, space: str | None = None) -> None:
        (folder / name).write_text(text)
        files[folder / name] = space

    for space, place in places.items():
        numbers = place.tolist()
        row = ",".join(map(repr, numbers))
        case = {
            "format": "promise-points",
            "version": 1,
            "space": space,
            "cases": {"scan": numbers},
        }
        write(f"full_{space}.json", json.dumps(case))
        write(f"short_{space}.json", json.dumps({"scan": numbers}), space)
        write(f"plain_{space}.csv", f"case,x,y,z,space\nscan,{row},{space}\n")
        write(f"asked_{space}.csv", f"case,x,y,z\nscan,{row}\n", space)
        if space.startswith("voxel"):
            write(f"napari_{space}.csv", f"index,axis-0,axis-1,axis-2\n0.0,{row}\n", space)
    for space, letters, number in (("LPS", "l,p,s", 1), ("RAS", "r,a,s", 0)):
        row = ",".join(map(repr, places[space].tolist()))
        point = {"id": "1", "label": "F-1", "position": places[space].tolist()}
        markup = {"type": "Fiducial", "coordinateSystem": space, "controlPoints": [point]}
        write(f"{space}.mrk.json", json.dumps({"@schema": "x", "markups": [markup]}))
        columns = f"label,{letters},defined,selected,visible,locked,description"
        write(f"slicer_{space}.csv", f"{columns}\nF-1,{row},1,1,1,0,\n")
        for system in (space, number):
            write(
                f"{system}.fcsv",
                f"# CoordinateSystem = {system}\nF,{row},0,0,0,1,1,1,0,F-1,,\n",
            )
    x, y, z = places["LPS"].tolist()
    write("mitk.mps", _point_set(f"<x>{x!r}</x><y>{y!r}</y><z>{z!r}</z>"))
    return files


def _point_set(point: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8" ?><point_set_file><point_set><time_series>'
        f"<point><id>0</id>{point}</point></time_series></point_set></point_set_file>"
    )
