"""Score a finished run on its fold's test cases: Dice and NSD on the plan's grid, with one simulated click per case.

A network that takes no clicks looks at the whole of each case, in windows that overlap by half. If the plan has several
objects, each object that a case holds gets a click and a score of its own.

The scores need only the preprocessed cases and are written next to the checkpoint. Scores for publication come from
promise-predict and promise-evaluate, which work on each scan's own grid.
"""

import datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from promise_cli.console import say, show_table, track
from promise_cli.dataset.case import Case, check_voxels, load_case
from promise_cli.dataset.case_objects import CaseTarget, all_targets
from promise_cli.dataset.plan import Plan
from promise_cli.disk.workspace import checkpoint_of
from promise_cli.errors import DatasetError, StoppedError
from promise_cli.geometry.patch import Patch
from promise_cli.network.checkpoint import build_model, load_checkpoint
from promise_cli.network.device import Precision, autocast, move_to_device
from promise_cli.network.registry import Network, centres_clicks, takes_clicks
from promise_cli.scores import CaseScore, Report, Status, Summary, summarize, write_report
from promise_cli.scores.metrics import score_masks
from promise_cli.scores.tolerances import TRAINING_TOLERANCE_MM
from promise_cli.session.fusion import Canvas
from promise_cli.session.placement import window_around, windows_over
from promise_cli.train.run import Run
from promise_cli.train.samples import sample_rng
from promise_cli.train.stopping import StopRequest


def score_fold(run: Run, cases_dir: Path, stop: StopRequest) -> Summary:
    """Score the fold's test cases, write metrics.json and metrics.csv into the run's folder, and show the scores.

    The clicks are drawn from the target. They depend only on the run's seed and the case, so they are the same for
    every network.

    Args:
        run: A run whose epochs are all done, with at least one test case.
        cases_dir: Folder of the preprocessed cases.
        stop: Checked before each case.

    Raises:
        StoppedError: A signal came, or the time limit is reached. Nothing is written then.
    """
    path = checkpoint_of(run.folder)
    assert path is not None
    model = build_model(load_checkpoint(path), path)
    move_to_device(model, run.device)
    clicked = takes_clicks(run.model.config)
    each = "object of a case" if run.plan.objects else "case"
    how = (
        f"one click per {each}, drawn from the target with seed {run.seed}"
        if clicked
        else "without clicks, each whole case in windows that overlap by half"
    )
    scores = []
    for case_id in track(run.split.test, "test cases", len(run.split.test)):
        if stop.reason is not None:
            raise StoppedError(
                f"{run.folder}: stopped by {stop.reason}; all epochs are done, but the test cases are not scored;"
                " add --resume to score them"
            )
        check_voxels(cases_dir, case_id)
        case = load_case(cases_dir, case_id)
        for case_target in all_targets(case, run.plan.objects):
            if not case_target.num_voxels:
                found = np.zeros(case.target.shape, dtype=bool)
            elif clicked:
                click = case_target.draw_voxel(sample_rng(run.seed, 0, case_id))
                found = _find_at_click(model, case, click, run.plan, run.device, run.precision)
            else:
                found = _find_everywhere(model, case, run.plan, run.device, run.precision)
            scores.append(_score_case(found, case_target, run.plan))
    summary = summarize(scores)
    report = Report(
        command="promise-train",
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        dataset=run.plan.dataset,
        predictions=str(path),
        labels=str(cases_dir),
        output=str(run.folder),
        protocol="promise",
        tolerances_mm=(TRAINING_TOLERANCE_MM,),
        empty_policy="nan",
        empty_cases=sum(score.status == "both_empty" for score in scores),
        missing_policy="error",
        missing_cases=0,
        notes=(f"test cases of fold {run.fold}, {how}, scored on the plan's grid",),
        summary=summary,
        cases=tuple(scores),
    )
    write_report(report, run.folder)
    shown = "one simulated click each" if clicked else "without clicks"
    say(f"test cases of fold {run.fold}: {path.name}, {shown}, on the plan's grid")
    _show(summary, run)
    return summary


def _show(summary: Summary, run: Run) -> None:
    """Show Dice and NSD over all cases, and of each object if there are several."""
    labels = summary.labels if len(summary.labels) > 1 else ()
    groups = [(summary.overall, ""), *((label, f" of {label.name}") for label in labels)]
    rows = []
    for group, end in groups:
        for name, of in (
            (f"Dice{end}", group.dice),
            (f"NSD at {TRAINING_TOLERANCE_MM:g} mm{end}", group.nsd[f"{TRAINING_TOLERANCE_MM}"]),
        ):
            spread = (f"{of.sd:.3f}", f"{of.minimum:.3f} to {of.maximum:.3f}") if of.n > 1 else ()
            rows.append((name, str(of.n), f"{of.mean:.3f}", *spread))
    columns = ("", "cases", "mean", *(("sd", "range") if max(map(len, rows)) > 3 else ()))
    rows = [(*row, *("",) * (len(columns) - len(row))) for row in rows]
    show_table(f"scores in {run.folder}", columns, rows)


def _find_at_click(
    model: Network,
    case: Case,
    click: tuple[int, int, int],
    plan: Plan,
    device: torch.device,
    precision: Precision,
) -> NDArray[np.bool_]:
    """Segment the window around a click, which is placed as in promise-predict.

    Everything outside the window stays background (paper, section 3).
    """
    i, j, k = case.target.shape
    within = None if centres_clicks(model.config) else (i, j, k)
    window = window_around(np.array([click]), plan.patch_size, within)
    place = torch.tensor([click]) - torch.tensor(window.origin)
    found = _ask(model, window, case, place.float(), device, precision) > 0.5
    mask = np.zeros(case.target.shape, dtype=bool)
    window.paste(found, mask)
    return mask


def _find_everywhere(
    model: Network, case: Case, plan: Plan, device: torch.device, precision: Precision
) -> NDArray[np.bool_]:
    """Segment a whole case, as promise-predict does with a scan without clicks."""
    i, j, k = case.target.shape
    windows = windows_over((i, j, k), plan.patch_size)
    canvas = Canvas.holding(windows)
    for window in windows:
        canvas.add(window, _ask(model, window, case, torch.zeros(0, 3), device, precision))
    assert canvas.block is not None
    mask = np.zeros(case.target.shape, dtype=bool)
    canvas.block.paste(canvas.fused() > 0.5, mask)
    return mask


@torch.inference_mode()
def _ask(
    model: Network,
    window: Patch,
    case: Case,
    clicks: torch.Tensor,
    device: torch.device,
    precision: Precision,
) -> NDArray[np.float32]:
    """Return the foreground probability in a window, `(I, J, K)`.

    Args:
        model: The network.
        window: Place of the window in the case.
        case: The case.
        clicks: Foreground clicks in voxels of the window, `(N, 3)`; N may be 0.
        device: Device of the network.
        precision: Precision of the network.

    Raises:
        DatasetError: The network's output is not finite.
    """
    image = torch.from_numpy(window.crop(case.channels).astype(np.float32))[None]
    with autocast(device, precision):
        logits = model(
            image.to(device),
            clicks[None].to(device),
            torch.ones(1, len(clicks), dtype=torch.long, device=device),
        )
    if not torch.isfinite(logits).all():
        raise DatasetError(
            f"case {case.case_id}: the network's output is not finite; check the intensities of this case, and run"
            " promise-preprocess again if its scan is intact"
        )
    return logits.float().softmax(dim=1)[0, 1].cpu().numpy()


def _score_case(prediction: NDArray[np.bool_], case_target: CaseTarget, plan: Plan) -> CaseScore:
    reference = case_target.mask
    measured = score_masks(prediction, reference, plan.spacing, (TRAINING_TOLERANCE_MM,))
    voxel_ml = float(np.prod(plan.spacing)) / 1000
    found: Status = "ok" if measured.prediction_voxels else "prediction_empty"
    return CaseScore(
        case_id=case_target.case.case_id,
        label=plan.label if case_target.wanted is None else case_target.wanted.label,
        name=plan.target_name if case_target.wanted is None else case_target.wanted.name,
        status=found if case_target.num_voxels else "both_empty",
        dice=measured.dice,
        nsd={f"{TRAINING_TOLERANCE_MM}": measured.nsd[0]},
        reference_voxels=measured.reference_voxels,
        prediction_voxels=measured.prediction_voxels,
        common_voxels=measured.common_voxels,
        scan_voxels=reference.size,
        reference_ml=measured.reference_voxels * voxel_ml,
        prediction_ml=measured.prediction_voxels * voxel_ml,
        spacing=plan.spacing,
    )
