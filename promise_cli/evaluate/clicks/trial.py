"""Trials of clicks on one case: set the clicks of a strategy, predict the masks, and score them.

Most strategies draw all clicks at once. `largest-error` sets each click on the largest error of the mask before it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.folder import CaseFiles, is_target
from promise_cli.errors import EvaluationError
from promise_cli.evaluate.clicks.draw import correct_largest_error, simulate_clicks
from promise_cli.evaluate.clicks.study_record import SimulatedClick, Strategy, Trial, TrialScore
from promise_cli.evaluate.clicks.study_request import StudyRequest
from promise_cli.geometry.grid import Spacing, format_shape
from promise_cli.prompts import BACKGROUND, FOREGROUND, Click, trial_rng
from promise_cli.scores.metrics import Scores, score_masks
from promise_cli.session.predictor import Prediction, Predictor, Session
from promise_cli.volume import as_stored, read_label, read_scan

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class OpenedCase:
    """One test case whose scan is open for clicks on its target, or on one of its objects."""

    case_id: str
    object: str
    """Name of the object; empty if the network segments one target."""
    session: Session
    target: Mask
    """Mask of the target or object, (I, J, K), as the label file stores it."""
    spacing: Spacing
    """Spacing in mm from the label's header."""
    through: int
    """Axis of the file that is perpendicular to the axial slices: the one closest to the world's z axis."""


def open_case(files: CaseFiles, predictor: Predictor, max_windows: int) -> tuple[OpenedCase, ...]:
    """Read a test case's scan and label, and open the scan for clicks.

    Returns:
        The case with its target, or once for each object of the network that the label holds. There is none if there
        is nothing to click on.

    Raises:
        VolumeError: A file cannot be read.
        EvaluationError: The label's grid is not that of the scan.
    """
    plan = predictor.plan
    scan = read_scan(files.images, [one.modality for one in plan.channels], plan.orientation)
    label = read_label(files.label, "as_stored", like=scan)
    if not label.stored_grid.is_that_of(scan.stored_grid):
        a, b = label.stored_grid, scan.stored_grid
        apart = f", {a.distance_mm(b):.3g} mm apart" if a.shape == b.shape else ""
        raise EvaluationError(
            f"{files.label}: {format_shape(a.shape)} voxels, but {files.image} has {format_shape(b.shape)}{apart};"
            " correct the dataset"
        )
    directions = np.abs(label.stored_grid.affine[2, :3]) / label.stored_grid.spacing
    session = predictor.open(scan, max_windows=max_windows, where=files.case_id)
    asked = [(one.name, one.values) for one in plan.objects] or [("", plan.labels)]
    targets = ((name, is_target(label.array, values)) for name, values in asked)
    return tuple(
        OpenedCase(
            case_id=files.case_id,
            object=name,
            session=session,
            target=target,
            spacing=label.exact_spacing,
            through=int(directions.argmax()),
        )
        for name, target in targets
        if target.any()
    )


def try_clicks(
    case: OpenedCase,
    strategy: Strategy,
    trial: int,
    request: StudyRequest,
    tolerances: tuple[float, ...],
) -> Trial:
    """Run one trial: set clicks on a case, and score the mask at each number of clicks that was asked for.

    Args:
        case: Case whose target is not empty. Its session forgets its earlier clicks, also those on other objects.
        strategy: Strategy that decides where the clicks are set.
        trial: Number of the trial. Together with the request's seed, the case and the strategy it decides the clicks.
        request: Request that holds the seed and the numbers of clicks.
        tolerances: Tolerances of NSD in mm.
    """
    place = f"{strategy} on {case.object}" if case.object else strategy
    rng = trial_rng(request.seed, case.case_id, place, trial)
    run = _correct if strategy == "largest-error" else _click_at_once
    clicks: tuple[SimulatedClick, ...] = ()
    scores = []
    dice_by_click = []
    for number, made, prediction in run(case, strategy, rng, request.numbers):
        clicks = made
        wanted = number in request.numbers
        mask = as_stored(prediction.mask, case.session.scan)
        found = score_masks(mask, case.target, case.spacing, tolerances if wanted else ())
        dice_by_click.append(found.dice)
        if wanted:
            scores.append(_score(number, found, tolerances, prediction.clicks_outside_window))
    return Trial(
        case_id=case.case_id,
        object=case.object,
        strategy=strategy,
        trial=trial,
        clicks=clicks,
        scores=tuple(scores),
        dice_by_click=tuple(dice_by_click) if strategy == "largest-error" else (),
    )


def _score(
    clicks: int, found: Scores, tolerances: tuple[float, ...], outside_window: int
) -> TrialScore:
    return TrialScore(
        clicks=clicks,
        dice=found.dice,
        nsd={str(mm): value for mm, value in zip(tolerances, found.nsd, strict=True)},
        prediction_voxels=found.prediction_voxels,
        outside_window=outside_window,
    )


_Step = tuple[int, tuple[SimulatedClick, ...], Prediction]
"""Number of clicks used, the clicks of the trial, and the prediction."""


def _click_at_once(
    case: OpenedCase, strategy: Strategy, rng: np.random.Generator, numbers: Sequence[int]
) -> Iterator[_Step]:
    """Draw all clicks at once. For each n in `numbers`, predict from the first n in one prompt (the paper: ten)."""
    clicks = simulate_clicks(strategy, case.target, case.through, rng, numbers[-1])
    for number in numbers:
        yield number, clicks, case.session.prompt([_as_click(click) for click in clicks[:number]])


def _correct(
    case: OpenedCase, _: Strategy, rng: np.random.Generator, numbers: Sequence[int]
) -> Iterator[_Step]:
    """Set one click after another, each on the largest error of the mask before it; none if that mask has no error."""
    session = case.session
    session.reset()
    clicks: tuple[SimulatedClick, ...] = ()
    for number in range(1, numbers[-1] + 1):
        click = correct_largest_error(case.target, session.mask, case.spacing, rng)
        if click is not None:
            session.click(click.voxel, int(click.foreground), object=case.object or None)
            clicks = (*clicks, click)
        assert session.prediction is not None
        yield number, clicks, session.prediction


def _as_click(click: SimulatedClick) -> Click:
    return Click(click.voxel, FOREGROUND if click.foreground else BACKGROUND)
