"""What a person does and sees in the page of promise-serve, for tests in Chromium."""

from collections.abc import Callable

import nibabel as nib
import numpy as np

READY = "return document.querySelectorAll('#scans li').length"
_SIZES = "return [...document.querySelectorAll('#lesions .size')].map((one) => one.textContent)"
_IDLE = "return document.getElementById('busy').hidden"
_GO = """
const [point, done] = arguments;
import('/session.js').then(({ state, drawAll }) => {
  state.at = point;
  drawAll();
  requestAnimationFrame(() => setTimeout(done, 20));
});
"""
"""Script that moves the cross to a voxel."""
_ORANGE = """
const canvas = document.getElementById('axial');
const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
let found = 0;
for (let at = 0; at < pixels.length; at += 4) {
  if (pixels[at] > 230 && Math.abs(pixels[at + 1] - 150) < 25 && pixels[at + 2] < 90) found += 1;
}
return found;
"""
"""Script that counts pixels in the colour of the first lesion."""
_LETTERS = """
const [affine, done] = arguments;
import('/views.js').then(({ endsOf }) => done([0, 1, 2].map((axis) => endsOf(affine, axis))));
"""
"""Script that names both ends of each axis of an affine."""
_RING = 90
"""Number of coloured pixels that the rings of clicks alone do not reach."""


def until(driver, condition: Callable) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 20, poll_frequency=0.05).until(condition)


def sizes(driver) -> list[str]:
    return driver.execute_script(_SIZES)


def wait_until_idle(driver) -> None:
    until(driver, lambda one: one.execute_script(_IDLE))


def open_scan(driver, number: int) -> None:
    until(driver, lambda one: one.execute_script(READY) == 3)
    driver.execute_script(f"document.querySelectorAll('#scans li')[{number}].click()")
    until(driver, lambda one: sizes(one) and one.execute_script(_IDLE))


def save(driver) -> None:
    wait_until_idle(driver)
    driver.find_element("id", "save").click()
    until(driver, lambda one: "saved:" in one.find_element("id", "saved").text)


def go_to(driver, point: list[int]) -> None:
    """Move the cross to a voxel of the page's array."""
    driver.execute_async_script(_GO, point)


def shows_outline(driver, mask: np.ndarray) -> bool:
    """Return whether the axial slice with most of a mask shows an outline in the colour of the first lesion."""
    wait_until_idle(driver)
    voxels = np.array([in_ras(tuple(voxel)) for voxel in np.argwhere(mask)])
    fullest = int(np.bincount(voxels[:, 2]).argmax())
    go_to(driver, voxels[voxels[:, 2] == fullest][0].tolist())
    return driver.execute_script(_ORANGE) > _RING


def letters(driver, affine: list[list[float]]) -> list[list[str]]:
    """Return the letters that the page shows at the low and the high end of each axis of an affine."""
    return driver.execute_async_script(_LETTERS, affine)


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
