"""The page with a network of several objects, by mouse and by keyboard."""

from pathlib import Path

import numpy as np
import pytest

from promise_cli.serve.connections import make_server
from tests.balls import mask_of, predict
from tests.chromium import needs_chromium, opened
from tests.test_serve.conftest import listening
from tests.test_serve.page_actions import (
    READY,
    go_to,
    save,
    sizes,
    until,
    wait_until_idle,
)
from tests.test_serve.test_objects import NAME, place, served, task

__all__ = ["place", "task"]
_NAMES = "return [...document.querySelectorAll('#lesions select')].map((one) => one.value)"


def names(driver) -> list[str]:
    return driver.execute_script(_NAMES)


@needs_chromium
@pytest.mark.slow
def test_a_person_chooses_the_object_of_each_lesion(place: Path, task: str, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    assert place.exists()
    client = served(task)
    request = client.app.request
    with (
        listening(make_server(client.app, request)) as address,
        opened(address, tmp_path / "profile") as driver,
    ):

        def press(*keys: str) -> None:
            ActionChains(driver, duration=0).send_keys(*keys).perform()

        until(driver, lambda one: one.execute_script(READY) == 6)
        driver.execute_script("document.querySelector('#scans li').click()")
        until(driver, lambda one: names(one) == [""])
        wait_until_idle(driver)
        go_to(driver, [19, 10, 8])
        press(Keys.ENTER)
        said = "c_1: choose the object of lesion 1 first: Ball (1), Box (2)"
        until(driver, lambda one: one.find_element("id", "message").text == said)
        assert sizes(driver) == ["0.00 ml, 0.0 mm, 0 clicks"]
        Select(driver.find_element("css selector", "#lesions select")).select_by_value("Box")
        until(driver, lambda one: names(one) == ["Box"])
        wait_until_idle(driver)
        press(Keys.ENTER)
        until(driver, lambda one: sizes(one)[0].endswith(" 1 click"))
        press("n")
        until(driver, lambda one: names(one) == ["Box", ""])
        for wanted in ("Ball", "Box", "Ball"):
            press("t")
            until(driver, lambda one, name=wanted: names(one) == ["Box", name])
            wait_until_idle(driver)
        go_to(driver, [8, 9, 8])
        press(Keys.ENTER)
        until(driver, lambda one: sizes(one)[1].endswith(" 1 click"))
        driver.refresh()
        until(
            driver, lambda one: names(one) == ["Box", "Ball"] and sizes(one)[1].endswith(" 1 click")
        )
        press("?")
        until(driver, lambda one: one.find_element("id", "help").is_displayed())
        assert "next object of the lesion" in driver.find_element("id", "keys").text
        press(Keys.ESCAPE)
        until(driver, lambda one: not one.find_element("id", "help").is_displayed())
        save(driver)
        errors = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        assert [one["message"].split(" - ")[-1][:29] for one in errors] == [
            "Failed to load resource: the "
        ]
    done = predict("-p", "predictions/imgs/clicks", "-o", "again")
    assert done.exit_code == 0, done.output
    mask = mask_of(f"predictions/imgs/{NAME}.nii.gz")
    assert set(np.unique(mask)) == {0, 1, 2}
    assert np.array_equal(mask, mask_of(f"again/{NAME}.nii.gz"))
