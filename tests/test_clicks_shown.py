"""Each click of a case is shown as it was understood, on the screen and on the page."""

import json
import re
from pathlib import Path

import pytest

from promise_cli.predict.summary import show_new
from promise_cli.predictions.record import ClickRecord, LesionRecord, PredictedCase, SecondsRecord
from tests.balls import centre, predict
from tests.chromium import needs_chromium, opened


def _click(voxel: tuple[int, int, int], **changed: object) -> ClickRecord:
    options = {"label": 1, "value": 1, "in_mask": True, "intensity": 7.0} | changed
    return ClickRecord(
        given=voxel, space="voxel", voxel=voxel, ras_mm=voxel, lps_mm=voxel, **options
    )


def _case(name: str, clicks: tuple[ClickRecord, ...], lesions: int = 1) -> PredictedCase:
    return PredictedCase(
        case_id=name,
        scan="",
        mask="",
        probabilities=(),
        key="",
        clicks=clicks,
        lesions=tuple(
            LesionRecord(value=n, name=f"lesion {'ABC'[n - 1]}", num_voxels=1, volume_ml=1.0)
            for n in range(1, lesions + 1)
        ),
        windows=((0, 0, 0),),
        closed=True,
        num_voxels=1,
        volume_ml=1.5,
        clicks_outside_window=1,
        seconds=SecondsRecord(read=0, resample=0, network=0, write=0),
    )


def _rows(text: str) -> list[list[str]]:
    """Return the cells of a table, line by line, the columns' names first."""
    return [
        [cell.strip() for cell in line.strip("┃│").replace("┃", "│").split("│")]
        for line in text.splitlines()
        if line.startswith(("┃", "│"))
    ]


def test_the_table_has_a_row_for_each_click_and_names_each_case_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clicks = (
        _click((1, 2, 3)),
        _click((4, 5, 6), label=0, in_mask=False),
        _click((7, 8, 9), value=2, in_mask=False),
    )
    show_new(Path("masks"), [_case("one", clicks, 2), _case("two", clicks[:1])], {}, {}, [])
    shown = capsys.readouterr()
    rows = [dict(zip(_rows(shown.out)[0], row, strict=True)) for row in _rows(shown.out)[1:]]
    assert [(row["case"], row["click (i, j, k)"], row["ml"]) for row in rows] == [
        ("one", "(1, 2, 3)", "1.50"),
        ("", "(4, 5, 6)", ""),
        ("", "(7, 8, 9)", ""),
        ("two", "(1, 2, 3)", "1.50"),
    ]
    assert [(row["lesion"], row["sign"], row["in mask"]) for row in rows] == [
        ("lesion A", "foreground", "yes"),
        ("lesion A", "background", "no"),
        ("lesion B", "foreground", "no"),
        ("lesion A", "foreground", "yes"),
    ]
    assert "one: the foreground click (7, 8, 9) lies outside the mask;" in shown.err
    assert "one: 1 click lies outside the window and was not used" in shown.err


def test_columns_for_lesion_and_sign_are_left_out_where_they_never_vary(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_new(Path("masks"), [_case("one", (_click((1, 2, 3)),))], {}, {}, [])
    assert _rows(capsys.readouterr().out)[0] == [
        "case",
        "click (i, j, k)",
        "LPS mm",
        "intensity",
        "in mask",
        "windows",
        "ml",
    ]


@needs_chromium
def test_the_page_shows_each_click_and_sorting_keeps_the_clicks_of_a_case_together(
    balls: Path, tmp_path: Path
) -> None:
    voxels = {number: [centre(number), [1, 1, number]] for number in (2, 1)}
    Path("points.json").write_text(
        json.dumps({f"ball_00{number}": clicks for number, clicks in voxels.items()})
    )
    done = predict("-p", "points.json", "--report", "--single-window")
    assert done.exit_code == 0, done.stderr
    page = balls / "predictions" / "imgs" / "report.html"
    with opened(page, tmp_path / "profile") as driver:
        for _ in range(2):  # ascending, then descending
            driver.find_element("xpath", "//th/button[text()='case']").click()
        rows = [
            [cell.text for cell in row.find_elements("tag name", "td")][:2]
            for row in driver.find_elements("css selector", "#case-table tbody tr")
        ]
        lead = driver.find_element("css selector", "header p").text
        key = driver.find_element("css selector", "#gallery .legend").text
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC\.$", lead)
    assert key == "predictionclick"
    names = {2: ["ball_002", ""], 1: ["ball_001", ""]}
    assert rows == [
        [name, ", ".join(map(str, click))]
        for number in (2, 1)
        for name, click in zip(names[number], voxels[number], strict=True)
    ]
