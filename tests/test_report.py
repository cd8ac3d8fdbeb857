"""report.html is one file that any browser opens offline, with all pictures, numbers and reasons inside."""

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import imread

from promise_cli.evaluate.command import evaluate
from promise_cli.report import write_report
from tests.balls import centre, predict
from tests.chromium import needs_chromium, opened
from tests.conftest import edit_json


@pytest.fixture
def report(balls: Path) -> Path:
    """Make a report of four cases, one of them with a hostile name, and of a case whose click lies outside the scan."""
    shutil.move("imgs/ball_003.nii.gz", "imgs/<b>bold&'quoted'.nii.gz")
    clicks = {f"ball_00{n}": centre(n) for n in (1, 2, 5)} | {"<b>bold&'quoted'": centre(3)}
    Path("points.json").write_text(json.dumps(clicks | {"ball_004": [99, 0, 0]}))
    done = predict("-p", "points.json", "--report")
    assert done.exit_code == 1
    assert "\nreport: predictions/imgs/report.html\n" in done.stdout
    return balls / "predictions" / "imgs" / "report.html"


def _images(report: Path) -> list[str]:
    return re.findall(r'<image href="data:image/jpeg;base64,([^"]+)"', report.read_text())


def test_the_page_needs_nothing_from_outside(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert re.findall(r"(?:src|href)=[\"'](?!data:image/jpeg;base64,|#)", text) == []
    assert not re.search(r"https?://|url\(|@import", text)
    assert len(_images(report)) == 4 * 3
    assert "lies outside the scan of 28 x 26 x 20 voxels" in text
    assert "<b>bold" not in text


def test_a_second_call_draws_the_finished_cases_again(report: Path) -> None:
    first = _images(report)
    report.unlink()
    assert predict("-p", "points.json", "--report").exit_code == 1
    assert _images(report) == first


def test_a_missing_scan_is_reported_where_its_slices_would_be(report: Path) -> None:
    Path("imgs/ball_005.nii.gz").unlink()
    write_report(report.parent, {})
    assert len(_images(report)) == 3 * 3
    assert "imgs/ball_005.nii.gz: no such file" in report.read_text()


@pytest.mark.parametrize("orientation", ["RAS", "PIR", "LSA"])
def test_the_slices_go_through_the_click_in_a_scan_of_any_orientation(
    report: Path, orientation: str
) -> None:
    """Pictures of the same scan, stored in another orientation, have the same bytes."""
    before = _images(report)[:3]
    for path in (Path("imgs/ball_001.nii.gz"), report.with_name("ball_001.nii.gz")):
        image = nib.load(path)
        turned = nib.orientations.ornt_transform(
            nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(tuple(orientation))
        )
        nib.save(image.as_reoriented(turned), path)
    write_report(report.parent, {})
    assert _images(report)[:3] == before


@needs_chromium
def test_chromium_shows_every_case_with_its_slices_click_and_volume(
    report: Path, tmp_path: Path
) -> None:
    record = json.loads(report.with_name("predictions.json").read_text())
    with opened(report, tmp_path / "profile") as driver:
        cases = driver.find_elements("css selector", "section.case")
        titles = [case.find_element("tag name", "h2").text for case in cases]
        assert titles == [case["case_id"] for case in record["cases"]]
        assert "<b>bold&'quoted'" in titles
        for case, shown in zip(record["cases"], cases, strict=True):
            assert f"{case['volume_ml']:.2f} ml" in shown.text
            assert len(shown.find_elements("css selector", "svg.slice image")) == 3
            assert len(shown.find_elements("css selector", "svg.slice path.click")) == 3
            assert len(shown.find_elements("css selector", "svg.slice path.prediction")) == 3
        assert (
            "ball_004: click (99, 0, 0) lies outside" in driver.find_element("id", "failures").text
        )
        head = driver.find_element("xpath", "//th/button[text()='ml']")
        head.click()
        volumes = [
            float(cell.get_attribute("data-value"))
            for cell in driver.find_elements("css selector", "#case-table td:nth-child(7)")
        ]
        assert volumes == sorted(volumes)
        assert driver.get_log("browser") == []


@needs_chromium
@pytest.mark.parametrize("place", [".card", "section.case"])
def test_chromium_paints_image_outline_and_click(report: Path, tmp_path: Path, place: str) -> None:
    picture = tmp_path / "slice.png"
    with opened(report, tmp_path / "profile") as driver:
        driver.find_element("css selector", f"{place} svg.slice").screenshot(str(picture))
    painted = imread(picture)[..., :3]
    for colour, least in (([1.0, 0.549, 0.102], 100), ([1.0, 0.2, 0.333], 10)):
        assert (np.abs(painted - colour).max(axis=-1) < 0.1).sum() > least
    grey = (np.ptp(painted, axis=-1) < 0.02) & (painted[..., 0] > 0.1) & (painted[..., 0] < 0.9)
    assert grey.mean() > 0.1


def test_the_page_shows_the_clicks_of_a_mask_only_if_the_record_lists_it(balls: Path) -> None:
    assert predict("-p", "points.json").exit_code == 0
    mask, labels = balls / "predictions" / "imgs" / "ball_001.nii.gz", Path("Task98_Balls")
    evaluate(mask, labels, output=Path("listed"), workers=0)
    page = Path("listed/report.html").read_text()
    assert "Clicks: points.json." in page
    assert page.count('<path class="click') == 3  # one in each of the three planes
    edit_json(mask.with_name("predictions.json"), lambda found: found["cases"].pop(0))
    evaluate(mask, labels, output=Path("unlisted"), workers=0)
    page = Path("unlisted/report.html").read_text()
    assert "points.json" not in page
    assert '<path class="click' not in page
