"""Measure how much a score depends on which voxel of the target was clicked, and on where the window lies.

The scores of a matrix come from one click per case. Here every case gets five clicks, each used alone. A click
is predicted in the paper's single window and with the lesion followed beyond it. In both ways the first window lies
around the click or is moved into the scan.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.clicks import draw_points
from experiments.matrix import Row
from experiments.place import Place
from promise_cli.dataset.folder import is_target
from promise_cli.prompts import Click
from promise_cli.scores.metrics import dice
from promise_cli.session.predictor import MAX_WINDOWS, Predictor, Session
from promise_cli.volume import read_label

DRAWS = 5
PLACEMENTS = {"round_click": True, "in_scan": False}
"""Placements of the first window, each with the value of `centres_clicks` that selects it."""
MEANING = {
    "what": f"Dice on each test scan's own grid for each of {DRAWS} single clicks at random on the target, the first of"
    " which is that of points.json",
    "one_window": "only the first window is predicted",
    "followed": "the lesion is followed into further windows, as promise-predict does",
    "round_click": "the first window has the click in its middle",
    "in_scan": "the first window is moved into the scan",
}

Found = dict[str, dict[str, list[float]]]
"""Dice of each draw by way and case. A way is, for example, `followed in_scan`."""


def measure_draws(place: Place, row: Row, device: str) -> dict[str, object]:
    """Predict the test cases once for each draw and way.

    Args:
        place: Prepared folders.
        row: A trained row whose network takes clicks.
        device: Device as promise-predict names it.

    Returns:
        A description of the values, the placement that promise-predict uses, and the values.
    """
    checkpoint = place.checkpoint_of(row)
    predictor = Predictor.load(checkpoint, device, place.precision_of(row))
    own = {name for name, centre in PLACEMENTS.items() if centre == predictor.centres_clicks}
    found: Found = {}
    for drawn in _drawn_cases(place, predictor):
        for placement, centre in PLACEMENTS.items():
            predictor.networks.centres_clicks = centre
            for way, most in (("one_window", 1), ("followed", MAX_WINDOWS)):
                drawn.session.max_windows = most
                found.setdefault(f"{way} {placement}", {})[drawn.case_id] = _dice_of_clicks(drawn)
    return {"meaning": MEANING, "placement": own.pop(), "dice": found}


def follow_draws(predictor: Predictor, place: Place) -> dict[str, list[float]]:
    """Return the Dice of each single click on each test case, predicted as by promise-predict."""
    return {drawn.case_id: _dice_of_clicks(drawn) for drawn in _drawn_cases(place, predictor)}


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A test case with an open session and its clicks."""

    case_id: str
    session: Session
    reference: NDArray[np.bool_]
    clicks: list[list[int]]


def _drawn_cases(place: Place, predictor: Predictor) -> Iterator[_Drawn]:
    draws = [draw_points(place, draw) for draw in range(DRAWS)]
    for case_id in sorted(place.fold.test):
        yield _Drawn(
            case_id,
            predictor.open(place.data / "imagesTr" / f"{case_id}.nii.gz"),
            _reference(place, place.data / "labelsTr" / f"{case_id}.nii.gz"),
            [draw[case_id] for draw in draws],
        )


def _dice_of_clicks(drawn: _Drawn) -> list[float]:
    """Return the Dice of each click used alone."""
    found = []
    for i, j, k in drawn.clicks:
        drawn.session.prompt([Click((float(i), float(j), float(k)))])
        found.append(round(dice(drawn.session.mask, drawn.reference), 6))
    return found


def _reference(place: Place, path: Path) -> NDArray[np.bool_]:
    return is_target(read_label(path, "as_stored").array, place.plan.labels)
