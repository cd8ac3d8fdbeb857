"""Measure whether the click is used, or only places the window.

In the window around a case's click, the network predicts again with the click elsewhere and the same image. If the mask
does not change, the score is due to the window alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.matrix import Row
from experiments.place import Place, summarize
from promise_cli.dataset.folder import is_target
from promise_cli.dataset.prepare import preprocess_image
from promise_cli.disk.records import load_json
from promise_cli.geometry.grid import Shape
from promise_cli.geometry.patch import Patch
from promise_cli.geometry.resample import resample_mask
from promise_cli.prompts import BACKGROUND, FOREGROUND, Click, locate_clicks
from promise_cli.scores.metrics import dice
from promise_cli.session.networks import EncodedWindow
from promise_cli.session.placement import window_around
from promise_cli.session.predictor import Predictor
from promise_cli.volume import read_label, read_volume

Mask = NDArray[np.bool_]
Voxel = NDArray[np.int64]

FAR = 0.25
"""Least distance of a click elsewhere from the first click, as a share of the window's edge."""
MEANING = {
    "click": "Dice with the target; one click on the target as in testing, and the window lies around this click",
    "elsewhere_on_target": "the same window, with the click elsewhere on the target",
    "beside_target": "the same window, with the click outside the target",
    "background_click_added": "the same window and click, with a further background click in the middle of the target",
    "without_click": "the same window without any click",
    "agreement_beside": "Dice between the masks of `click` and `beside_target`: 1 if the click changes nothing",
    "window_moved": "the window is moved: its middle is the click of `beside_target`, and the click is that of `click`",
    "window_off_target": "the window of `window_moved`, with the click in its middle",
    "whole_window": "Dice with the target of a mask that fills the window",
}


@dataclass(frozen=True, eq=False)
class _Scene:
    """One case on the plan's grid, with the voxels to click on."""

    image: NDArray[np.float32]
    target: Mask
    click: Voxel
    on_target: Voxel
    beside: Voxel
    middle: Voxel
    """Voxel of the target that is nearest to its centre of mass."""
    within: Shape | None
    """Shape of the grid into which windows are moved; None if they stay around the click."""
    window: Patch


def measure_click_use(place: Place, row: Row, device: str) -> dict[str, object]:
    """Predict with a row's network and clicks at other places of the same windows.

    Args:
        place: Prepared folders, with the clicks of the test cases.
        row: A trained row.
        device: Device as promise-predict names it.

    Returns:
        Means over the test cases and the values of each case, under the names of `MEANING`.
    """
    predictor = Predictor.load(place.checkpoint_of(row), device)
    cases = {
        case_id: _ask_everywhere(predictor, _open(place, predictor, case_id, voxel))
        for case_id, voxel in load_json(place.points).items()
    }
    return summarize(MEANING, cases)


def _open(place: Place, predictor: Predictor, case_id: str, voxel: list[int]) -> _Scene:
    plan = predictor.plan
    scan = read_volume(place.data / "imagesTr" / f"{case_id}.nii.gz", plan.orientation)
    label = read_label(place.data / "labelsTr" / f"{case_id}.nii.gz", plan.orientation)
    image, grid = preprocess_image(scan, plan)
    target = resample_mask(is_target(label.array, plan.labels), grid.shape)
    i, j, k = (float(index) for index in voxel)
    (click,) = locate_clicks(
        [Click((i, j, k), FOREGROUND, "voxel")], scan.stored_grid, grid, case_id
    )
    within = None if predictor.centres_clicks else grid.shape
    window = window_around(click[None], plan.patch_size, within)
    rng = np.random.default_rng(0)
    return _Scene(
        image=image,
        target=target,
        click=click,
        on_target=_draw(target, window, click, rng),
        beside=_draw(~target, window, click, rng),
        middle=_middle(target),
        within=within,
        window=window,
    )


def _draw(where: Mask, window: Patch, click: Voxel, rng: np.random.Generator) -> Voxel:
    """Draw a voxel of the window that is far from the click, or take the farthest one."""
    voxels = np.argwhere(where)
    voxels = voxels[window.inside(voxels)]
    distance = np.linalg.norm(voxels - click, axis=1)
    near_enough = (
        np.abs(voxels - click).max(axis=1) < window.shape[0] // 2
    )  # so that a window around the voxel contains the click
    voxels, distance = voxels[near_enough], distance[near_enough]
    far = distance >= min(FAR * window.shape[0], distance.max())
    chosen: Voxel = rng.choice(voxels[far])
    return chosen


def _middle(target: Mask) -> Voxel:
    voxels = np.argwhere(target)
    nearest: Voxel = voxels[np.linalg.norm(voxels - voxels.mean(axis=0), axis=1).argmin()]
    return nearest


def _ask_everywhere(predictor: Predictor, scene: _Scene) -> dict[str, float | None]:
    window, target = scene.window, scene.window.crop(scene.target)
    encoded = EncodedWindow(window.crop(scene.image))

    def mask(*clicks: tuple[Voxel, int]) -> Mask:
        return _mask(predictor, window, encoded, *clicks)

    clicked, beside = mask((scene.click, FOREGROUND)), mask((scene.beside, FOREGROUND))
    moved = window_around(scene.beside[None], predictor.plan.patch_size, scene.within)
    off, there = EncodedWindow(moved.crop(scene.image)), moved.crop(scene.target)
    both = [(scene.click, FOREGROUND)]
    if window.inside(scene.middle[None])[0]:
        both.append((scene.middle, BACKGROUND))
    found = {
        "click": dice(clicked, target),
        "elsewhere_on_target": dice(mask((scene.on_target, FOREGROUND)), target),
        "beside_target": dice(beside, target),
        "background_click_added": dice(mask(*both), target),
        "without_click": dice(mask(), target),
        "agreement_beside": dice(clicked, beside),
        "window_moved": dice(_mask(predictor, moved, off, (scene.click, FOREGROUND)), there),
        "window_off_target": dice(_mask(predictor, moved, off, (scene.beside, FOREGROUND)), there),
        "whole_window": dice(np.ones_like(target), target),
    }
    return {name: None if np.isnan(value) else round(value, 6) for name, value in found.items()}


def _mask(
    predictor: Predictor, window: Patch, encoded: EncodedWindow, *clicks: tuple[Voxel, int]
) -> Mask:
    places = np.array([voxel for voxel, _ in clicks], dtype=np.int64).reshape(-1, 3)
    labels = np.array([label for _, label in clicks], dtype=np.int64)
    found: Mask = (
        predictor.networks.probabilities(encoded, places - np.array(window.origin), labels) > 0.5
    )
    return found
