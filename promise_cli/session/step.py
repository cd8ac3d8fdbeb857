"""The state of a session after each click."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.plan import Plan
from promise_cli.geometry.patch import Patch
from promise_cli.prompts import ONE_LESION, Click, Lesion
from promise_cli.session.objects import choose_lesion, merge_objects
from promise_cli.session.prediction import Prediction
from promise_cli.volume import Volume


@dataclass(frozen=True, eq=False)
class Step:
    """Clicks, windows and prediction of a session after one more click."""

    clicks: tuple[Click, ...]
    clicked_windows: tuple[Patch, ...]
    """Windows that were placed around the clicks, without those into which a lesion was followed."""
    prediction: Prediction
    lesion: Lesion = ONE_LESION
    """Lesion of the newest click, with the name of its object if the networks segment several. Windows and prediction
    are those of the clicks on this object."""


def merged_mask(
    steps: Sequence[Step], plan: Plan, scan: Volume, where: str, other: Prediction | None = None
) -> NDArray[np.uint8]:
    """Return the mask of all objects that were clicked, (I, J, K) on the scan's grid. For one target it has 0 and 1.

    Args:
        steps: Steps of the session. Without any, all of the mask is background.
        plan: Plan of the networks.
        scan: The scan.
        where: Name of the scan in messages.
        other: Prediction whose mask is returned instead of that of all objects. It need not be one of a step.

    Raises:
        PromptError: The networks segment several objects, and it is not known which one a prediction shows.
    """
    latest = {step.lesion: step.prediction for step in steps}
    if other is not None:
        latest = {next((one.lesion for one in steps if one.prediction is other), ONE_LESION): other}
    if not latest:
        return np.zeros(scan.grid.shape, dtype=np.uint8)
    if not plan.objects:
        (only,) = latest.values()
        return only.mask.view(np.uint8)
    named = {
        choose_lesion(plan.objects, lesion.name or None, where): prediction
        for lesion, prediction in latest.items()
    }
    return merge_objects(named, plan.objects, scan)


def clicked_mask(steps: Sequence[Step], scan: Volume) -> NDArray[np.bool_]:
    """Return the union of the masks of all objects that were clicked, (I, J, K) on the scan's grid."""
    mask = np.zeros(scan.grid.shape, dtype=bool)
    for prediction in {step.lesion: step.prediction for step in steps}.values():
        mask |= prediction.mask
    return mask


def as_point(point: Sequence[float]) -> tuple[float, float, float]:
    """Convert what a caller gives as a point, such as a list or an array, to a tuple of floats.

    Anything that cannot be converted is returned as it is, because `Click` refuses it with a message.
    """
    try:
        return tuple(float(value) for value in point)  # type: ignore[return-value]
    except (TypeError, ValueError):
        return point  # type: ignore[return-value]
