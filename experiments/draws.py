"""How much a score hangs on which voxel of the target was clicked, and on where the window lies.

The scores of a matrix are those of one click a case. Here every case is clicked five times, each click alone: in the
paper's single window and with the lesion followed beyond it, the first window round the click or moved into the scan.
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
"""Of the first window, and what they are to the networks' `centre_clicks`."""
MEANING = {
    "what": f"Dice on each test scan's own grid for each of {DRAWS} single clicks at random on the target, the first of"
    " them that of points.json",
    "one_window": "the window that the click opens, alone",
    "followed": "the lesion followed into further windows, as promise-predict does",
    "round_click": "the first window has the click in its middle",
    "in_scan": "it is moved into the scan",
}

Found = dict[str, dict[str, list[float]]]
"""Dice of each draw, by way and case; a way is such as `followed in_scan`."""


def measure_draws(place: Place, row: Row, device: str) -> dict[str, object]:
    """Ask for the test cases once for each draw and way.

    Args:
        place: Prepared.
        row: Trained, of a network that takes clicks.
        device: As of promise-predict.

    Returns:
        What was measured, which placement is that of promise-predict, and the values.
    """
    checkpoint = place.checkpoint_of(row)
    predictor = Predictor.load(checkpoint, device, place.precision_of(row))
    own = {name for name, centre in PLACEMENTS.items() if centre == predictor.centres_clicks}
    found: Found = {}
    for drawn in _drawn_cases(place, predictor):
        for placement, centre in PLACEMENTS.items():
            predictor.networks.centre_clicks = centre
            for way, most in (("one_window", 1), ("followed", MAX_WINDOWS)):
                drawn.session.max_windows = most
                found.setdefault(f"{way} {placement}", {})[drawn.case_id] = _dice_of_clicks(drawn)
    return {"meaning": MEANING, "placement": own.pop(), "dice": found}


def follow_draws(predictor: Predictor, place: Place) -> dict[str, list[float]]:
    """Dice of each draw of a click on each test case, as promise-predict answers it."""
    return {drawn.case_id: _dice_of_clicks(drawn) for drawn in _drawn_cases(place, predictor)}


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A test case that is open for its clicks."""

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
    """Of each click alone."""
    found = []
    for i, j, k in drawn.clicks:
        drawn.session.prompt([Click((float(i), float(j), float(k)))])
        found.append(round(dice(drawn.session.mask, drawn.reference), 6))
    return found


def _reference(place: Place, path: Path) -> NDArray[np.bool_]:
    return is_target(read_label(path, "as_stored").array, place.plan.labels)
