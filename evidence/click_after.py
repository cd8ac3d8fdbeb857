"""What a click gives a network that never saw it: its mask of the whole scan, cut down to what the click points at.

Between a network without clicks and one with them lie two differences: what the network sees, and that the click says
where to look. This measures the second alone.
"""

from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from evidence.clicks import target_values
from evidence.matrix import Row
from evidence.place import Place
from promise_cli.metrics import dice
from promise_cli.patches import Patch
from promise_cli.records import load_json
from promise_cli.resample import target_grid
from promise_cli.session.placement import window_round
from promise_cli.volume import read_label

Mask = NDArray[np.bool_]

MEANING = {
    "whole_scan": "Dice of the mask as it is",
    "in_window": "of what lies in the window that a network with clicks would see",
    "part_at_click": "of the connected part that is nearest to the click",
    "best_part": "of the connected part that fits the target best, which no user knows",
}


def measure_click_after(place: Place, row: Row) -> dict[str, object]:
    """Cut the masks of a row without clicks down, with the clicks of the others.

    Args:
        place: Prepared, with the clicks of its test cases.
        row: Predicted.

    Returns:
        Means over the test cases, and each case's values, by the names of `MEANING`.
    """
    plan = load_json(place.shared / "preprocessed" / place.matrix.dataset / "plans.json")
    cases = {}
    for case_id, voxel in load_json(place.points).items():
        label = read_label(place.data / "labelsTr" / f"{case_id}.nii.gz", "as_stored")
        stored = read_label(
            place.root(row) / "predictions" / "followed" / f"{case_id}.nii.gz", "as_stored"
        )
        target, mask = np.isin(label.array, target_values(place)), stored.array > 0
        grid = target_grid(label.grid, tuple(plan["spacing"]))
        click = np.clip(np.rint(grid.ijk(label.grid.world(voxel))), 0, np.array(grid.shape) - 1)
        window = window_round(click.astype(np.int64)[None], plan["patch_size"])
        step = np.array(label.array.shape) / np.array(grid.shape)
        cases[case_id] = _cut_down(mask, target, tuple(voxel), _inside(window, step, mask.shape))
    means = {name: fmean(case[name] for case in cases.values()) for name in MEANING}
    return {"meaning": MEANING, "mean": means, "cases": cases}


def _inside(window: Patch, step: NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    """The voxels of a scan whose centres lie in a window of the plan's grid."""
    inside = np.ones(shape, dtype=bool)
    for axis, (start, edge) in enumerate(zip(window.origin, window.shape, strict=True)):
        centres = (np.arange(shape[axis]) + 0.5) / step[axis] - 0.5
        line = (centres >= start - 0.5) & (centres < start + edge - 0.5)
        inside &= np.expand_dims(line, [other for other in range(3) if other != axis])
    return inside


def _cut_down(mask: Mask, target: Mask, click: tuple[int, ...], window: Mask) -> dict[str, float]:
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
