"""Points that are not clicks, and hidden points that are clicks, are counted and named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promise_cli.errors import PromptError
from promise_cli.predict.inputs import MOST_HINTS, gather_inputs
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.prompts import gather_prompts
from tests.conftest import affine_of, write_nifti
from tests.test_click_files.test_tools import FILES

HIDDEN = (
    "2 of 5 points count as clicks, 1 of them hidden (delete hidden points that are not clicks)"
)


def _list(*points: dict[str, Any], **fields: Any) -> dict[str, Any]:
    places = [{"position": [n, 0, 0], **point} for n, point in enumerate(points)]
    return {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": places, **fields}


def _note(path: Path, *lists: dict[str, Any]) -> str:
    path.write_text(json.dumps({"@schema": "x", "markups": lists}))
    gathered = gather_prompts(path)
    assert gathered.broken == {}
    return gathered.notes.get("a", "")


def test_hidden_points_of_slicer_count_and_those_never_placed_do_not(tmp_path: Path) -> None:
    points = [
        {},
        {"visibility": False},
        {"positionStatus": "undefined"},
        {"positionStatus": "missing", "visibility": False},
        {"positionStatus": "preview"},
    ]
    note = _note(tmp_path / "a.mrk.json", _list(*points))
    assert note == f"{HIDDEN}; not counted: 1 undefined, 1 missing, 1 preview"


def test_the_points_of_a_hidden_list_are_hidden(tmp_path: Path) -> None:
    note = _note(tmp_path / "a.mrk.json", _list({}, {}, display={"visibility": False}))
    assert note.startswith("2 of 2 points count as clicks, 2 of them hidden")


def test_markups_that_are_no_point_lists_are_named_as_not_counted(tmp_path: Path) -> None:
    note = _note(tmp_path / "a.mrk.json", _list({}), _list({}, {}, type="ROI"))
    assert note == "1 of 2 points count as clicks; not counted: 1 markup of type 'ROI'"


def test_a_background_list_is_counted_once_for_all_lesions(tmp_path: Path) -> None:
    lists = [_list({}), _list({}), _list({}, {"visibility": False}, name="background")]
    note = _note(tmp_path / "a.mrk.json", *lists)
    assert note.startswith("4 of 4 points count as clicks, 1 of them hidden")


def test_a_list_whose_points_are_all_shown_clicks_needs_no_note(tmp_path: Path) -> None:
    assert _note(tmp_path / "a.mrk.json", _list({}, {})) == ""
    assert gather_prompts(FILES / "slicer_4_11.fcsv").notes == {}


def test_points_of_fcsv_and_of_slicers_table_are_counted_too(tmp_path: Path) -> None:
    cells = "0,0,0,1,{vis},1,0,F,,,{status},0"
    rows = [(1, 2), (0, 2), (1, 0), (1, 1), (1, 3)]
    lines = [f"1,1,2,3,{cells.format(vis=vis, status=status)}" for vis, status in rows]
    (tmp_path / "a.fcsv").write_text("# CoordinateSystem = LPS\n" + "\n".join(lines) + "\n")
    assert gather_prompts(tmp_path / "a.fcsv").notes == {
        "a": f"{HIDDEN}; not counted: 1 undefined, 1 preview, 1 missing"
    }
    header = "label,l,p,s,defined,visible\n"
    rows_of_table = "F,1,2,3,1,1\nF,1,2,3,1,0\nF,0,0,0,0,1\nF,0,0,0,0,1\nF,0,0,0,0,1\n"
    (tmp_path / "b.csv").write_text(header + rows_of_table)
    assert gather_prompts(tmp_path / "b.csv").notes == {"b": f"{HIDDEN}; not counted: 3 undefined"}


def test_a_file_without_a_placed_point_says_what_its_points_are(tmp_path: Path) -> None:
    with pytest.raises(
        PromptError,
        match=r"place one on the target \(0 of 2 points count as clicks; not counted: 2 preview\)",
    ):
        _note(tmp_path / "a.mrk.json", _list(*[{"positionStatus": "preview"}] * 2))


def test_the_counts_are_shown_before_prediction_also_for_files_that_ours_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [f"c{number:02d}" for number in range(MOST_HINTS + 2)]
    for case in cases:
        write_nifti(
            tmp_path / "scans" / f"{case}.nii.gz",
            np.zeros((9, 9, 9), np.int16),
            affine_of("LPS", (1, 1, 1), (4, 4, -4)),
        )
    hidden = {"@schema": "x", "markups": [_list({"visibility": False})]}
    (tmp_path / "F.mrk.json").write_text(json.dumps(hidden))
    content = {
        "format": "promise-points",
        "version": 1,
        "cases": {case: {"file": "F.mrk.json"} for case in cases},
    }
    (tmp_path / "all.json").write_text(json.dumps(content))
    inputs = gather_inputs(PredictRequest(images=tmp_path / "scans", prompts=tmp_path / "all.json"))
    assert inputs.failures == []
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("c00: 1 of 1 points count as clicks, 1 of them hidden")
    assert len(shown) == MOST_HINTS + 1
    assert shown[-1] == "and 2 more cases with hidden points or points that do not count"
