"""Measure what a click is worth to a network that never saw it.

The network's mask of the whole scan is cut down to what the click points at. A network with clicks differs from one
without in two ways: the click is part of its input, and the click says where to look. This measures the second alone.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from experiments.matrix import Row
from experiments.place import Place, summarize
from promise_cli.dataset.folder import is_target
from promise_cli.disk.records import load_json
from promise_cli.geometry.resample import resample_window, target_grid
from promise_cli.prompts import FOREGROUND, Click, locate_clicks
from promise_cli.scores.metrics import dice
from promise_cli.session.placement import window_around
from promise_cli.volume import read_label

Mask = NDArray[np.bool_]

MEANING = {
    "whole_scan": "Dice of the mask as it is",
    "in_window": "Dice of the part of the mask in the window that a network with clicks would see",
    "part_at_click": "Dice of the connected part that is nearest to the click",
    "best_part": "Dice of the connected part that fits the target best, which no user knows",
}


def measure_click_after(place: Place, row: Row) -> dict[str, object]:
    """Cut down the masks of a row without clicks, with the clicks that the other rows get.

    Args:
        place: Prepared folders, with the clicks of the test cases.
        row: A row whose test cases are predicted.

    Returns:
        Means over the test cases and the values of each case, under the names of `MEANING`.
    """
    plan = place.plan
    cases = {}
    for case_id, (i, j, k) in load_json(place.points).items():
        name = f"{case_id}.nii.gz"
        label = read_label(place.data / "labelsTr" / name, "as_stored")
        mask = (
            read_label(place.root(row) / "predictions" / "followed" / name, "as_stored").array > 0
        )
        grid = target_grid(label.grid, plan.spacing)
        click = locate_clicks([Click((i, j, k), FOREGROUND, "voxel")], label.grid, grid, case_id)
        window = window_around(click, plan.patch_size)
        seen = np.ones(window.shape, dtype=np.float32)
        _, inside = resample_window(seen, window.origin, grid.shape, label.grid.shape)
        in_window = np.zeros_like(mask)
        in_window[inside] = True
        target = is_target(label.array, plan.labels)
        cases[case_id] = _cut_down(mask, target, (i, j, k), in_window)
    return summarize(MEANING, cases)


def _cut_down(
    mask: Mask, target: Mask, click: tuple[int, ...], window: Mask
) -> dict[str, float | None]:
    parts, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    at_click = np.zeros_like(mask)
    if count:
        nearest = ndimage.distance_transform_edt(
            ~mask, return_distances=False, return_indices=True
        )[(slice(None), *click)]
        at_click = parts == parts[tuple(nearest)]
    found = {
        "whole_scan": dice(mask, target),
        "in_window": dice(mask & window, target),
        "part_at_click": dice(at_click, target),
        "best_part": max(
            (dice(parts == part, target) for part in range(1, count + 1)), default=0.0
        ),
    }
    return {name: round(value, 6) for name, value in found.items()}
