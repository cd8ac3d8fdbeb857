"""Draw the picture of the page of promise-serve: a scan of the demo in headless Chromium, with one click.

python docs/make_page_picture.py http://127.0.0.1:1527

Start `promise-serve -i imgs` in the folder that `make demo` leaves before. Chromium, selenium and Pillow are needed.
"""

import io
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

CASE = "phantom_001"
OUTPUT = Path(__file__).parent / "images" / "serve_page.png"
SIZE, SHOWN, COLOURS = (1280, 800), (960, 600), 40
MARK = """
const [point, done] = arguments;
import('/session.js').then(({ state, addClick }) => {
  state.at = point;
  addClick([...point], 1);
  setTimeout(done, 500);
});
"""
IDLE = "return document.querySelector('#lesions li') && document.getElementById('busy').hidden"


def draw(address: str, points: Path, output: Path = OUTPUT) -> None:
    """Open the page, click on the target, and write what is seen as a PNG of few colours.

    Args:
        address: Address of the server.
        points: The demo's `points.json`. Its scan has the axes of the page.
        output: The PNG file.
    """
    point = json.loads(points.read_text())[CASE]
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        for flag in ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        try:
            picture = _picture(driver, address, point)
        finally:
            driver.quit()
    small = Image.open(io.BytesIO(picture)).convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS)
    small.quantize(COLOURS, dither=Image.Dither.NONE).save(output, optimize=True)


def _picture(driver: Any, address: str, point: list[int]) -> bytes:
    size = {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(address)
    wait = WebDriverWait(driver, 60)
    row = f"[...document.querySelectorAll('#scans li')].find((one) => one.textContent === '{CASE}')"
    wait.until(lambda one: one.execute_script(f"return {row}"))
    driver.execute_script(f"{row}.click()")
    wait.until(lambda one: one.execute_script(IDLE))
    driver.execute_async_script(MARK, point)
    wait.until(lambda one: one.execute_script(IDLE))
    driver.execute_async_script("setTimeout(arguments[0], 500)")
    picture: bytes = driver.get_screenshot_as_png()
    return picture


if __name__ == "__main__":
    draw(sys.argv[1], Path("points.json"))
