"""The state of a session after each click."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.plan import Plan
from promise_cli.geometry.patch import Patch
from promise_cli.prompts import ONE_LESION, Click, Lesion
from promise_cli.session.objects import merge_objects
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


def merged_mask(steps: Sequence[Step], plan: Plan, scan: Volume) -> NDArray[np.uint8]:
    """Return the mask of all objects that were clicked, (I, J, K) on the scan's grid. For one target it has 0 and 1."""
    latest = {step.lesion: step.prediction for step in steps}
    if not latest:
        return np.zeros(scan.grid.shape, dtype=np.uint8)
    if set(latest) == {ONE_LESION}:
        return steps[-1].prediction.mask.view(np.uint8)
    return merge_objects(latest, plan.objects, scan)


def as_point(point: Sequence[float]) -> tuple[float, float, float]:
    """Convert what a caller gives as a point, such as a list or an array, to a tuple of floats.

    Anything that cannot be converted is returned as it is, because `Click` refuses it with a message.
    """
    try:
        return tuple(float(value) for value in point)  # type: ignore[return-value]
    except (TypeError, ValueError):
        return point  # type: ignore[return-value]
