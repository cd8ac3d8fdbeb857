"""The page in a browser: a person clicks on a scan, sees the outline and saves it."""

import re
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from starlette.testclient import TestClient

from promise_cli.serve.app import PAGE
from promise_cli.serve.service import Service
from tests.balls import mask_of
from tests.chromium import needs_chromium, opened
from tests.test_serve.predicted import CLICKS, predicted

FILES = Path(__file__).resolve().parents[2] / "promise_cli" / "serve" / "page"
READY = "return document.querySelectorAll('#scans li').length"
SIZES = "return [...document.querySelectorAll('#lesions .size')].map((one) => one.textContent)"
IDLE = "return document.getElementById('busy').hidden"


def test_the_page_is_sent_with_headers_that_keep_other_pages_out(client: TestClient) -> None:
    for path, (name, kind) in PAGE.items():
        done = client.get(path)
        assert done.status_code == 200
        assert done.content == (FILES / name).read_bytes()
        assert done.headers["content-type"].startswith(kind)
        assert done.headers["x-frame-options"] == "DENY"
        assert "default-src 'self'" in done.headers["content-security-policy"]
    assert len((FILES / "script.js").read_text().splitlines()) <= 600


@needs_chromium
@pytest.mark.slow
def test_a_person_clicks_undoes_and_saves_in_the_page(address: str, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    with opened(address, tmp_path / "profile") as driver:
        wait = WebDriverWait(driver, 20)
        wait.until(lambda one: one.execute_script(READY) == 3)
        driver.execute_script("document.querySelectorAll('#scans li')[2].click()")
        wait.until(lambda one: one.execute_script(SIZES) and one.execute_script(IDLE))
        assert "20 x 28 x 26" in driver.find_element("id", "header").text
        canvas = driver.find_element("id", "axial")
        for number, (voxel, sign) in enumerate(CLICKS, 1):
            point = in_ras(voxel)
            slice_now = int(re.search(r"axial (\d+)/", captions(driver))[1]) - 1
            for _ in range(abs(point[2] - slice_now)):
                canvas.send_keys(Keys.ARROW_UP if point[2] > slice_now else Keys.ARROW_DOWN)
            chain = ActionChains(driver).move_to_element_with_offset(canvas, *screen(driver, point))
            (chain.click() if sign else chain.context_click()).perform()
            wait.until(lambda one, n=number: f"{n} click" in one.execute_script(SIZES)[0])
            assert f"voxel {', '.join(map(str, point))}:" in captions(driver)
        wait.until(lambda one: one.execute_script(IDLE))
        driver.find_element("id", "undo").click()
        wait.until(lambda one: "2 click" in one.execute_script(SIZES)[0])
        wait.until(lambda one: one.execute_script(IDLE))
        driver.find_element("id", "save").click()
        wait.until(lambda one: "saved:" in one.find_element("id", "saved").text)
        saved = mask_of("predictions/imgs/ball_007.nii.gz")
        assert np.array_equal(saved, predicted(CLICKS[:2]))
        errors = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        assert errors == []


def captions(driver) -> str:
    return driver.find_element("css selector", "figcaption").text


def in_ras(point: tuple[int, int, int]) -> list[int]:
    image = nib.load("imgs/ball_007.nii.gz")
    closest = nib.as_closest_canonical(image).affine
    return np.rint(np.linalg.inv(closest) @ image.affine @ [*point, 1])[:3].astype(int).tolist()


def screen(driver, point: list[int]) -> tuple[float, float]:
    """Return where a voxel lies in the axial view, in pixels from the middle of the canvas."""
    image = nib.as_closest_canonical(nib.load("imgs/ball_007.nii.gz"))
    wide, high = (
        n * edge for n, edge in zip(image.shape[:2], image.header.get_zooms()[:2], strict=True)
    )
    size = driver.execute_script(
        "const c = document.getElementById('axial'); return [c.clientWidth, c.clientHeight]"
    )
    scale = min(size[0] / wide, size[1] / high)
    edges = image.header.get_zooms()
    x = ((image.shape[0] - 1) / 2 - point[0]) * edges[0] * scale
    y = ((image.shape[1] - 1) / 2 - point[1]) * edges[1] * scale
    return float(x), float(y)


@needs_chromium
@pytest.mark.slow
def test_the_page_asks_for_the_key_and_then_shows_the_scans(
    service: Service, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    service.request = replace(service.request, api_key="correct-horse")
    with opened(request.getfixturevalue("address"), tmp_path / "profile") as driver:
        wait = WebDriverWait(driver, 20)
        for key in ("wrong-horse", "correct-horse"):
            wait.until(lambda one: one.find_element("id", "login").get_property("open"))
            assert driver.execute_script(READY) == 0
            field = driver.find_element("id", "key")
            field.clear()
            field.send_keys(key)
            driver.find_element("css selector", "#login button").click()
        wait.until(lambda one: one.execute_script(READY) == 3)
