"""The page by keyboard alone, and a page that is loaded again while a click is being computed."""

import threading
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.prompts import Click
from promise_cli.serve.open_scans import OpenScan
from promise_cli.serve.service import Service
from promise_cli.session.prediction import Prediction
from tests.balls import mask_of
from tests.chromium import needs_chromium, opened
from tests.test_serve.page_actions import (
    READY,
    go_to,
    in_ras,
    open_scan,
    save,
    screen,
    shows_outline,
    sizes,
    until,
    wait_until_idle,
)
from tests.test_serve.predicted import CLICKS, predicted


@needs_chromium
@pytest.mark.slow
def test_a_reload_in_the_midst_of_a_click_loses_nothing(
    address: str, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    predict, may_continue = OpenScan.predict, threading.Event()

    def slow(scan: OpenScan, clicks: tuple[Click, ...]) -> Prediction:
        if len(clicks) == 2:
            assert may_continue.wait(20)
        return predict(scan, clicks)

    monkeypatch.setattr(OpenScan, "predict", slow)
    with opened(address, tmp_path / "profile") as driver:
        open_scan(driver, 2)
        canvas = driver.find_element("id", "axial")
        for voxel, _ in CLICKS[:2]:
            wait_until_idle(driver)
            point = in_ras(voxel)
            go_to(driver, point)
            place = screen(driver, point)
            ActionChains(driver).move_to_element_with_offset(canvas, *place).click().perform()
        until(driver, lambda one: sizes(one)[0].endswith("1 click, 1 waiting"))
        driver.refresh()
        may_continue.set()
        until(driver, lambda one: sizes(one) and "2 clicks" in sizes(one)[0])
        assert shows_outline(driver, predicted(CLICKS[:2]))
        assert len(service.sessions) == 1
        save(driver)
    saved = mask_of("predictions/imgs/ball_007.nii.gz")
    assert np.array_equal(saved, predicted(CLICKS[:2]))


@needs_chromium
@pytest.mark.slow
def test_the_page_does_everything_by_keyboard(address: str, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    with opened(address, tmp_path / "profile") as driver:
        until(driver, lambda one: one.execute_script(READY) == 3)

        def press(*keys: str) -> None:
            ActionChains(driver, duration=0).send_keys(*keys).perform()

        press("f", "007", Keys.ENTER)
        until(driver, lambda one: sizes(one) and one.find_element("id", "axial") == focused(one))
        wait_until_idle(driver)
        at = [n // 2 for n in nib.as_closest_canonical(nib.load("imgs/ball_007.nii.gz")).shape]
        for number, (voxel, sign) in enumerate(CLICKS, 1):
            steps = np.subtract(in_ras(voxel), at)
            at = in_ras(voxel)
            for step, keys in zip(
                steps, ("da", "sw", (Keys.ARROW_DOWN, Keys.ARROW_UP)), strict=True
            ):
                press(*[keys[int(step > 0)]] * abs(int(step)))
            press(Keys.ENTER if sign else "b")
            until(driver, lambda one, n=number: f"{n} click" in sizes(one)[0])
            wait_until_idle(driver)
        press("z")
        until(driver, lambda one: sizes(one)[0].endswith("2 clicks"))
        assert shows_outline(driver, predicted(CLICKS[:2]))
        press("h")
        assert not shows_outline(driver, predicted(CLICKS[:2]))
        press("h", "4", "]", "m", "n")
        until(driver, lambda one: len(sizes(one)) == 2)
        fields = {name: value(driver, name) for name in ("level", "width", "slab", "slab-kind")}
        assert fields == {"level": "400", "width": "1800", "slab": "5", "slab-kind": "maximum"}
        press("?")
        until(driver, lambda one: one.find_element("id", "help").is_displayed())
        assert "undo the last click" in driver.find_element("id", "keys").text
        press(Keys.ESCAPE)
        until(driver, lambda one: not one.find_element("id", "help").is_displayed())
        ActionChains(driver).key_down(Keys.CONTROL).send_keys("s").key_up(Keys.CONTROL).perform()
        until(driver, lambda one: "saved:" in one.find_element("id", "saved").text)
        errors = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        assert errors == []
    saved = mask_of("predictions/imgs/ball_007.nii.gz")
    assert np.array_equal(saved, predicted(CLICKS[:2]))


def focused(driver) -> object:
    return driver.switch_to.active_element


def value(driver, name: str) -> str:
    return driver.find_element("id", name).get_property("value")
