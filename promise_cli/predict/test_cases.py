"""The option `--test-cases`: scans of a fold's test cases, with clicks that are drawn from their labels."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promise_cli.console import say, track
from promise_cli.dataset.folder import CaseFiles, is_target
from promise_cli.dataset.plan import Plan
from promise_cli.disk.workspace import Workspace
from promise_cli.errors import PromptError, listed
from promise_cli.predict.predict_request import PredictRequest, find_networks
from promise_cli.predictions.objects import lesion_of
from promise_cli.predictions.test_cases import find_test_cases
from promise_cli.prompts import Click, Gathered, random_voxels, trial_rng
from promise_cli.volume import Volume, read_grid, read_label


@dataclass
class FoldInputs:
    """Scans and clicks of the test cases of one fold."""

    request: PredictRequest
    """The call, with the checkpoint and the folder of the scans."""
    name: str
    """Name of the folder under `predictions/` where the masks go by default."""
    scans: dict[str, Path]
    further: dict[str, tuple[Path, ...]]
    """Files of the channels after the first, by case id."""
    clicks: Gathered


def gather_test_cases(request: PredictRequest, workspace: Workspace) -> FoldInputs:
    """Find the test cases of a run's fold, and draw one click on the target of each, or on each object of the plan.

    The click of a case is the first one of `promise-evaluate --clicks` with the strategy `random` and the same seed. A
    case without the target gets no click, and neither does an object that a case does not hold. If the network takes no
    clicks, none are drawn, and each scan is segmented as a whole.

    Raises:
        WorkspaceError: No run fits, or several do.
        PromptError: Several folds are named.
        EvaluationError: The fold has no test case, or the files of one are missing.
    """
    from promise_cli.network.checkpoint import load_checkpoint  # noqa: PLC0415
    from promise_cli.network.registry import takes_clicks  # noqa: PLC0415  torch is slow to import

    if len(request.folds) > 1:
        raise PromptError(
            f"--test-cases: found folds {listed(request.folds)}; give one, because the networks of other folds were"
            " trained on its test cases"
        )
    (path,) = find_networks(request, workspace)
    checkpoint = load_checkpoint(path)
    plan, fold = checkpoint.plan, checkpoint.fold
    if request.folds and not checkpoint.split.train:
        (fold,) = request.folds  # a checkpoint of the paper's authors names no fold
    cases = find_test_cases(workspace, plan.dataset, checkpoint.split, fold, path)
    clicked = takes_clicks(checkpoint.model_config)
    clicks = Gathered(f"--test-cases (seed {request.seed})")
    empty = []
    for files in track(cases, "drawing clicks", len(cases)) if clicked else ():
        with clicks.case(files.case_id):
            if drawn := _draw_clicks(files, plan, request.seed):
                clicks.add(files.case_id, drawn)
            else:
                empty.append(files.case_id)
    say(f"test cases of fold {fold}: {len(cases)} ({listed(case.case_id for case in cases)})")
    if empty:
        what = "any object" if plan.objects else f"the target {plan.label} ({plan.target_name})"
        say(f"without {what}: {listed(empty)}")
    if len(empty) == len(cases):
        raise PromptError(
            f"{path}: no test case holds label {plan.label}; choose another run or fold"
        )
    found = dataclasses.replace(
        request,
        images=cases[0].image.parent,
        run_dir=path,
        folds=(),
        name=None,
        dataset=None,
        auto=not clicked,
    )
    scans = {files.case_id: files.image for files in cases}
    further = {files.case_id: files.further for files in cases}
    name = _name(path.parent, workspace, plan.dataset)
    return FoldInputs(found, name, scans, further, clicks)


def _draw_clicks(files: CaseFiles, plan: Plan, seed: int) -> tuple[Click, ...]:
    """Draw a click on the target of a case, or on each object of the plan that its label holds."""
    label = read_label(files.label, "as_stored")
    if not plan.objects:
        rng = trial_rng(seed, files.case_id, "random", 0)
        click = _draw_click(files, label, plan.labels, rng)
        return () if click is None else (click,)
    clicks = []
    for number, one in enumerate(plan.objects, 1):
        rng = trial_rng(seed, files.case_id, f"random on {one.name}", 0)
        if (click := _draw_click(files, label, one.values, rng)) is not None:
            clicks.append(dataclasses.replace(click, lesion=lesion_of(one, number)))
    return tuple(clicks)


def _draw_click(
    files: CaseFiles, label: Volume, values: Sequence[int], rng: np.random.Generator
) -> Click | None:
    """Draw a click on the voxels of a case's label that have one of the values; None if there are none."""
    target = is_target(label.array, values)
    if not target.any():
        return None
    ((i, j, k),) = random_voxels(target, rng, 1)
    if label.stored_grid.is_that_of(read_grid(files.image, several=True)):
        return Click((i, j, k), space="voxel")
    # The files store their axes in different orders. The place in the world is the same.
    x, y, z = (label.stored_grid.affine @ np.array([i, j, k, 1.0]))[:3].tolist()
    return Click((x, y, z), space="RAS")


def _name(run: Path, workspace: Workspace, dataset: str) -> str:
    """Name the predictions after the run, such as `Task07_Pancreas_fold_0`."""
    try:
        parts = run.absolute().relative_to(workspace.results.absolute()).parts
    except ValueError:
        parts = (dataset, run.absolute().name)
    return "_".join(parts)
