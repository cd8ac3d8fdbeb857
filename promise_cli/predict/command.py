"""The command promise-predict: segment each scan from its clicks, and write a mask on the scan's own grid."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from promise_cli.console import counted, say, track
from promise_cli.dataset.plan import describe_target
from promise_cli.disk.workspace import Workspace, open_workspace
from promise_cli.errors import PromptError, WorkspaceError
from promise_cli.geometry.grid import format_spacing
from promise_cli.network.unfinished import warn_of_unfinished
from promise_cli.predict.cases import CaseWork
from promise_cli.predict.earlier import (
    Maker,
    earlier_cases,
    finished_cases,
    load_earlier,
    maker_of,
    prediction_keys,
    refuse_replacing,
    warn_of_unlisted,
)
from promise_cli.predict.failed import all_failed, reason_of, without_click
from promise_cli.predict.inputs import Inputs, gather_inputs, leave_out_channels
from promise_cli.predict.new_record import new_record
from promise_cli.predict.output import check_output, outputs, refuse_foreign_outputs, write_clicks
from promise_cli.predict.predict_request import PredictRequest, find_networks
from promise_cli.predict.predictions_file import (
    RecordFile,
    alone_in,
    load_or_ignore,
    renew,
    save_failures,
)
from promise_cli.predict.relay import relay
from promise_cli.predict.summary import show_failures, show_new, show_remade, show_rest
from promise_cli.predict.test_cases import gather_test_cases
from promise_cli.predictions.record import (
    Failure,
    PredictedCase,
    describe_windows,
)
from promise_cli.session.neighbours import MAX_WINDOWS

if TYPE_CHECKING:
    from promise_cli.report import SlicePicture
    from promise_cli.session.predictor import Predictor

    Slices = tuple[SlicePicture, ...]


def predict(images: Path, prompts: Path | None = None, **options: object) -> bool:
    """Segment the lesions that were clicked in each scan. A case that fails does not stop the others.

    Args:
        images: A scan or a folder of scans.
        prompts: A file or folder of clicks.
        options: The other fields of `PredictRequest`.

    Returns:
        Whether every case that was asked for has a mask.

    Raises:
        PromiseError: No case can be predicted. No mask was written then.
    """
    return run(PredictRequest(images=images, prompts=prompts, **options))  # type: ignore[arg-type]


def run(request: PredictRequest) -> bool:
    """Predict the cases of a request. `predict` describes the result and the errors."""
    workspace = open_workspace(request.root)
    if not request.has_clicks and not request.auto:
        if needs_clicks(request):
            raise PromptError(
                "no clicks; give a click file with -p, a click with --point, or --auto"
            )
        request = dataclasses.replace(request, auto=True)
    tests = gather_test_cases(request, workspace) if request.test_cases else None
    request = request if tests is None else tests.request
    inputs = gather_inputs(request, tests)
    folder = request.output or workspace.predictions / inputs.name
    check_output(folder, request.images or Path(), inputs.scans, request.same_format)
    refuse_foreign_outputs(folder, request, inputs)
    if not inputs.attempted:
        say("nothing to do: this shard has no case")
        return True
    if len(inputs.failures) == len(inputs.attempted):
        raise all_failed(request, folder, inputs)
    try:
        checkpoints = find_networks(request, workspace)
    except WorkspaceError as error:
        if request.write_points is None or request.names_network:
            raise
        write_clicks(request, inputs)
        say(f"{error}. The clicks are written; nothing was predicted")
        return not inputs.failures
    maker = maker_of(request, checkpoints)
    with alone_in(folder, request, inputs, maker):
        return _predict(request, workspace, inputs, folder, maker)


def _predict(
    request: PredictRequest, workspace: Workspace, inputs: Inputs, folder: Path, maker: Maker
) -> bool:
    if inputs.further:
        from promise_cli.network.checkpoint import load_checkpoint  # noqa: PLC0415  torch is slow to import

        if len(load_checkpoint(maker.checkpoints[0]).plan.channels) == 1:
            leave_out_channels(inputs, quiet=(request.images or Path()).is_file())
    there = load_or_ignore(folder) if request.overwrite else load_earlier(folder)
    for_objects = there is not None and bool(there.objects)
    keys = prediction_keys(request, maker.checkpoints, inputs, for_objects=for_objects)
    earlier = earlier_cases(folder, there, maker)
    by_case = {case.case_id: case for case in earlier}
    finished = [] if request.overwrite else finished_cases(by_case, keys, inputs, folder, request)
    todo = [case for case in keys if case not in finished]
    if request.overwrite:
        warn_of_unlisted(folder, there, maker, inputs.attempted)
    else:
        refuse_replacing(folder, there, request, inputs, maker, todo)
        show_remade([case for case in todo if case in by_case])
    if request.report:
        from promise_cli.report import page_of  # noqa: PLC0415  only needed for a page

        page_of(folder)  # refuses to replace a page of another origin
    if request.write_points is not None:
        write_clicks(request, inputs)
    kept = tuple(case for case in earlier if case.case_id not in inputs.attempted)
    listed = (*kept, *(by_case[case] for case in finished))
    done: list[PredictedCase] = []
    pictures: dict[str, Slices] = {}
    if todo:
        replaced = {case.case_id: case for case in (there.cases if there else ())}
        done, pictures = _work(
            request, workspace, inputs, folder, maker, keys, todo, listed, replaced
        )
    elif finished:
        renew(folder, listed)
    if not done and not finished:
        raise all_failed(request, folder, inputs)
    attempted = inputs.attempted if request.shard else None
    left_out = [] if request.auto else without_click(inputs, {case.case_id for case in kept})
    save_failures(folder, [*inputs.failures, *(left_out if inputs.failures else [])], attempted)
    if request.report:
        from promise_cli.report import write_report  # noqa: PLC0415

        say(f"report: {write_report(folder, pictures, request.picture_channel)}")
    show_rest(folder, done, len(kept), len(finished), left_out)
    show_failures(inputs.failures)
    return not inputs.failures


def _work(
    request: PredictRequest,
    workspace: Workspace,
    inputs: Inputs,
    folder: Path,
    maker: Maker,
    keys: dict[str, str],
    todo: Sequence[str],
    listed: tuple[PredictedCase, ...],
    replaced: dict[str, PredictedCase],
) -> tuple[list[PredictedCase], dict[str, "Slices"]]:
    """Predict the cases in order. While one is predicted, all earlier ones but the last are on disk and listed."""
    from promise_cli.predict.objects import name_objects  # noqa: PLC0415
    from promise_cli.session.predictor import Predictor  # noqa: PLC0415  torch loads slowly, so checks come first

    checkpoints = maker.checkpoints
    predictor = Predictor.load(checkpoints, request.device, request.precision, tta=request.tta)
    if not predictor.takes_clicks:
        _refuse_clicks(request, predictor)
    if request.picture_channel > len(predictor.plan.channels):
        names = [channel.modality or "without a name" for channel in predictor.plan.channels]
        raise PromptError(
            f"--picture-channel {request.picture_channel}: the network takes {counted(len(names), 'channel')}"
            f" ({', '.join(names)}); give a number up to {len(names)}"
        )
    if predictor.plan.objects:
        keys = prediction_keys(request, checkpoints, inputs, for_objects=True)
    name_objects(request, predictor, inputs)
    failed = {failure.case_id for failure in inputs.failures}
    todo = [case for case in todo if case not in failed]
    warn_of_unfinished(checkpoints)
    if not todo:
        return [], {}
    known = {*inputs.clicks, *(case.case_id for case in listed)}
    without = tuple(case for case in inputs.without_click if case not in known)
    _show_settings(request, predictor)
    empty = new_record(request, workspace, inputs.where, predictor, listed, without)
    record = RecordFile(folder, empty)
    names = list(outputs(request, inputs, todo))
    record.begin(inputs.attempted, names, maker, overwrite=request.overwrite)
    work = CaseWork(request, predictor, inputs, keys, record, replaced)
    done = []
    steps = relay(todo, work.read, work.segment, work.write, work.has_room)
    with record.stop_says(inputs.attempted, overwrite=request.overwrite):
        for case, outcome in track(steps, "predicting", len(todo)):
            if isinstance(outcome, Exception):
                inputs.failures.append(Failure(case_id=case, reason=reason_of(outcome)))
                continue
            done.append(outcome)
    record.end(names)
    show_new(folder, done, work.odd, work.notes, inputs.failures)
    return done, work.pictures


def _show_settings(request: PredictRequest, predictor: "Predictor") -> None:
    """Show which networks and settings are used."""
    plan, paths = predictor.plan, tuple(str(path) for path in predictor.checkpoints)
    most = describe_windows(request.max_windows)
    size = f"{plan.patch_size} voxels"
    windows = (
        f"{most} of {size} for each lesion"
        if predictor.takes_clicks
        else f"the whole scan in windows of {size}"
    )
    presets = ", ".join(dict.fromkeys(predictor.presets))
    described = "; ".join(dict.fromkeys(predictor.described))
    say(
        f"network: {', '.join(paths)} on {predictor.device} in {predictor.precision}; {described},"
        f" preset {presets}; {plan.dataset}, {describe_target(plan)}"
    )
    say(
        f"scans: resampled to {format_spacing(plan.spacing)}, orientation {plan.orientation}; {windows}"
    )


def needs_clicks(request: PredictRequest) -> bool:
    """Whether a call must give clicks, because its networks take clicks.

    Raises:
        WorkspaceError: Several runs fit, or the run or fold that was named does not exist.
        CheckpointError: A checkpoint is unusable.
    """
    from promise_cli.network.checkpoint import load_checkpoint  # noqa: PLC0415
    from promise_cli.network.registry import takes_clicks  # noqa: PLC0415  torch is slow to import

    workspace = open_workspace(request.root)
    try:
        checkpoints = find_networks(request, workspace)
    except WorkspaceError:
        if request.names_network or any(workspace.results.rglob("checkpoint_*.pt")):
            raise  # several runs fit, and some of them may take no clicks
        return True  # nothing is trained yet, so the missing clicks are reported first
    return any(takes_clicks(load_checkpoint(path).model_config) for path in checkpoints)


def _refuse_clicks(request: PredictRequest, predictor: "Predictor") -> None:
    """Refuse options that have no meaning for a network that takes no clicks.

    Raises:
        PromptError: The call gives clicks, or says how many windows to use.
    """
    path = predictor.checkpoints[0]
    given = {"-p": request.prompts is not None, "--point": bool(request.points)}
    for option, there in given.items():
        if there:
            raise PromptError(
                f"{option}: {path} ({predictor.described[0]}) takes no clicks; leave {option} out, or train with"
                " --clicks-as-channel"
            )
    if request.max_windows != MAX_WINDOWS:
        option = "--single-window" if request.max_windows == 1 else "--max-windows"
        raise PromptError(
            f"{option}: {path} ({predictor.described[0]}) segments the whole scan; leave out this option"
        )
