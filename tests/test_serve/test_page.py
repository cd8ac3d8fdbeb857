"""The page in a browser: a person clicks on a scan, sees the outline and saves it."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from promise_cli.serve.app import PAGE
from promise_cli.serve.service import Service
from tests.balls import mask_of
from tests.chromium import needs_chromium, opened
from tests.test_serve.page_actions import (
    READY,
    captions,
    in_ras,
    letters,
    open_scan,
    save,
    screen,
    shows_outline,
    sizes,
    until,
)
from tests.test_serve.predicted import CLICKS, predicted

FILES = Path(__file__).resolve().parents[2] / "promise_cli" / "serve" / "page"


def test_the_page_is_sent_with_headers_that_keep_other_pages_out(client: TestClient) -> None:
    for path, (name, kind) in PAGE.items():
        done = client.get(path)
        assert done.status_code == 200
        assert done.content == (FILES / name).read_bytes()
        assert done.headers["content-type"].startswith(kind)
        assert done.headers["x-frame-options"] == "DENY"
        assert "default-src 'self'" in done.headers["content-security-policy"]
    scripts = {path.name: path.read_text().splitlines() for path in FILES.glob("*.js")}
    assert set(scripts) == {name for name, _ in PAGE.values() if name.endswith(".js")}
    assert max(map(len, scripts.values())) <= 400


@needs_chromium
@pytest.mark.slow
def test_a_person_clicks_undoes_and_saves_in_the_page(address: str, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    with opened(address, tmp_path / "profile") as driver:
        open_scan(driver, 2)
        assert "20 x 28 x 26" in driver.find_element("id", "header").text
        canvas = driver.find_element("id", "axial")
        ActionChains(driver).drag_and_drop_by_offset(canvas, 60, 30).perform()
        until(driver, lambda one: window(one) == (80, 480))
        driver.find_element("css selector", "#presets button[title^=lung]").click()
        until(driver, lambda one: window(one) == (-600, 1500))
        assert not shows_outline(driver, predicted(CLICKS[:1]))
        origin = ScrollOrigin.from_element(canvas)
        for number, (voxel, sign) in enumerate(CLICKS, 1):
            point = in_ras(voxel)
            slice_now = int(re.search(r"axial (\d+)/", captions(driver))[1]) - 1
            for _ in range(abs(point[2] - slice_now)):
                up = -120 if point[2] > slice_now else 120
                ActionChains(driver).scroll_from_origin(origin, 0, up).perform()
            chain = ActionChains(driver).move_to_element_with_offset(canvas, *screen(driver, point))
            (chain.click() if sign else chain.context_click()).perform()
            until(driver, lambda one, n=number: re.search(rf"{n} clicks?$", sizes(one)[0]))
            place = f"voxel {', '.join(map(str, point))}:"
            until(driver, lambda one, text=place: text in captions(one))
            voxels = predicted(CLICKS[:number]).sum()
            assert float(sizes(driver)[0].split()[0]) == pytest.approx(voxels * 1.35e-3, abs=0.006)
            assert shows_outline(driver, predicted(CLICKS[:number]))
        half = np.sqrt(0.5)
        turned = [[half, -half, 0, 0], [half, half, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]]
        assert letters(driver, np.eye(4).tolist()) == [["L", "R"], ["P", "A"], ["I", "S"]]
        assert {*map(frozenset, letters(driver, turned)[0])} == {frozenset("LP"), frozenset("RA")}
        driver.find_element("id", "undo").click()
        until(driver, lambda one: "2 clicks" in sizes(one)[0])
        save(driver)
        saved = mask_of("predictions/imgs/ball_007.nii.gz")
        assert np.array_equal(saved, predicted(CLICKS[:2]))
        assert Path("predictions/imgs/clicks/ball_007.json").exists()
        errors = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        assert errors == []


def window(driver) -> tuple[float, ...]:
    """Return the level and the width that the page shows."""
    return tuple(
        float(driver.find_element("id", name).get_property("value")) for name in ("level", "width")
    )


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
