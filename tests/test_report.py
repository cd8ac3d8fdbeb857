"""report.html is one file that any browser opens without a network: its pictures, numbers and reasons are in it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import imread

from promise_cli.report import write_report
from tests.balls import centre, predict

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: apt-get install chromium to open the report in it"
)


def _open(page: Path, folder: Path, *arguments: str) -> str:
    """What headless Chromium says of a page, with a profile of its own and no network."""
    assert CHROMIUM is not None
    line = [
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        *arguments,
        page.absolute().as_uri(),
    ]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest.fixture
def report(balls: Path) -> Path:
    """Of five cases, one of them with a hostile name, and one failure."""
    shutil.move("imgs/ball_003.nii.gz", "imgs/<b>bold&'quoted'.nii.gz")
    clicks = {f"ball_00{n}": centre(n) for n in (1, 2, 5)} | {"<b>bold&'quoted'": centre(3)}
    Path("points.json").write_text(json.dumps(clicks | {"ball_004": [99, 0, 0]}))
    done = predict("-p", "points.json", "--report")
    assert done.exit_code == 1
    return balls / "predictions" / "imgs" / "report.html"


def test_the_page_needs_nothing_from_outside(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert re.findall(r"(?:src|href)='(?!data:image/png;base64,|#)", text) == []
    assert "<script" not in text
    assert "http" not in text
    assert text.count("<img ") == 4
    assert "lies outside the scan of 28 x 26 x 20 voxels" in text


def test_a_second_call_draws_the_finished_cases_again(report: Path) -> None:
    first = re.findall(r"base64,([^']+)", report.read_text())
    report.unlink()
    assert predict("-p", "points.json", "--report").exit_code == 1
    assert re.findall(r"base64,([^']+)", report.read_text()) == first


def test_a_scan_that_is_gone_is_said_in_its_place(report: Path) -> None:
    Path("imgs/ball_005.nii.gz").unlink()
    write_report(report.parent, {})
    text = report.read_text()
    assert text.count("<img ") == 3
    assert "imgs/ball_005.nii.gz: no such file" in text


@needs_chromium
def test_chromium_shows_every_case_with_its_picture_click_and_volume(
    report: Path, tmp_path: Path
) -> None:
    shown = _open(report, tmp_path, "--dump-dom")
    assert shown.count("<section") == 4
    for name in ("ball_001", "ball_002", "ball_005", "&lt;b&gt;bold&amp;'quoted'"):
        assert f"<h2>{name}</h2>" in shown
    i, j, k = centre(1)
    assert f"<td>{i}, {j}, {k}</td>" in shown
    record = json.loads(report.with_name("predictions.json").read_text())
    for case in record["cases"]:
        assert f"{case['volume_ml']:.2f} ml" in shown


@needs_chromium
def test_chromium_paints_image_outline_and_click(report: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    _open(report, tmp_path, f"--screenshot={picture}", "--window-size=1100,3200")
    painted = imread(picture)[..., :3]
    for colour, least in (([1.0, 0.498, 0.055], 200), ([0.839, 0.153, 0.157], 40)):
        assert (np.abs(painted - colour).max(axis=-1) < 0.06).sum() > least
    grey = (np.ptp(painted, axis=-1) < 0.02) & (painted[..., 0] > 0.1) & (painted[..., 0] < 0.9)
    assert grey.mean() > 0.03


def test_the_slices_go_through_the_click_in_a_scan_of_any_orientation(report: Path) -> None:
    """Drawn again from the same scan stored otherwise, the picture is the same to the last byte."""
    before = re.findall(r"base64,([^']+)", report.read_text())[0]
    image = nib.load("imgs/ball_001.nii.gz")
    nib.save(nib.as_closest_canonical(image), "imgs/ball_001.nii.gz")
    mask = Path("predictions/imgs/ball_001.nii.gz")
    nib.save(nib.as_closest_canonical(nib.load(mask)), mask)
    write_report(report.parent, {})
    assert re.findall(r"base64,([^']+)", report.read_text())[0] == before
