"""Study of clicks on the test cases of a fold, whose masks are scored on their scans' own grids."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from promise_cli.console import counted, say, track
from promise_cli.dataset.folder import CaseFiles
from promise_cli.disk.workspace import open_workspace
from promise_cli.errors import EvaluationError
from promise_cli.evaluate.clicks.curves import make_curves
from promise_cli.evaluate.clicks.files import claim_output, write_study
from promise_cli.evaluate.clicks.kept import KeptCase, KeptCases
from promise_cli.evaluate.clicks.study_record import ClickStudy
from promise_cli.evaluate.clicks.study_request import StudyRequest
from promise_cli.evaluate.clicks.trial import open_case, try_clicks
from promise_cli.jobs import stop_says
from promise_cli.network.checkpoint import Checkpoint, load_checkpoint
from promise_cli.network.registry import takes_clicks
from promise_cli.network.unfinished import warn_of_unfinished
from promise_cli.predictions.test_cases import find_test_cases
from promise_cli.scores import typed_command
from promise_cli.scores.study_files import STUDY_FOLDER
from promise_cli.scores.tolerances import choose_tolerances
from promise_cli.session.predictor import Predictor


def study_clicks(request: StudyRequest) -> tuple[ClickStudy, Path]:
    """Predict each test case with each strategy, trial and number of clicks, score it, and write the results.

    Each finished case is kept in the output folder until all are done, so that a study that was stopped can continue.

    Returns:
        The study, and the folder that it was written into.

    Raises:
        WorkspaceError: There is no run, or no dataset.
        CheckpointError: The checkpoint is unusable.
        EvaluationError: The network takes no clicks or segments several objects, the fold has no test case with the
            target, a label does not match its scan, or the folder cannot be written to.
    """
    workspace = open_workspace(request.root)
    folds = () if request.fold is None else (request.fold,)
    (path,) = workspace.find_runs(request.run, folds, request.name, request.dataset)
    checkpoint = load_checkpoint(path)
    if not takes_clicks(checkpoint.model_config):
        raise EvaluationError(
            f"--clicks: {path} ({checkpoint.network}) takes no clicks; predict with promise-predict and score the"
            " masks, or train with --clicks-as-channel"
        )
    dataset = checkpoint.plan.dataset
    choose_tolerances(request.protocol, request.tolerances_mm, dataset)  # refuses wrong options now
    names_fold = bool(checkpoint.split.train)  # a checkpoint of the paper's authors names none
    fold = checkpoint.fold if names_fold or request.fold is None else request.fold
    cases = find_test_cases(workspace, dataset, checkpoint.split, fold, path)
    output = request.output or path.parent / STUDY_FOLDER
    replaced = claim_output(output, dataset, overwrite=request.overwrite)
    kept = KeptCases(output, request, path)
    with kept.held(), stop_says(lambda: _so_far(kept, cases)):
        study = _study_cases(checkpoint, path, cases, kept, request)
        write_study(study, output)
        if replaced is not None:
            say(f"{output}: replaced the study of {replaced}")
        kept.clear()
    return study, output


def _study_cases(
    checkpoint: Checkpoint,
    path: Path,
    cases: Sequence[CaseFiles],
    kept: KeptCases,
    request: StudyRequest,
) -> ClickStudy:
    """Study all cases that are not finished yet, and return the whole study.

    Raises:
        EvaluationError: No case holds the target.
    """
    predictor = Predictor.load(path, request.device)
    warn_of_unfinished((path,))
    plan = predictor.plan
    tolerances = choose_tolerances(request.protocol, request.tolerances_mm, plan.dataset)
    done = _do_cases(cases, kept, predictor, request, tolerances)
    trials = [trial for case in done for trial in case.trials]
    if not trials:
        raise EvaluationError(
            f"{path}: no test case holds label {plan.label}; choose another run or fold"
        )
    return ClickStudy(
        command=typed_command(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=plan.dataset,
        fold=checkpoint.fold,
        checkpoints=(str(path),),
        device=str(predictor.device),
        target_label=plan.target_label,
        target_labels=plan.target_labels,
        target_name=plan.target_name,
        objects=plan.objects,
        protocol=request.protocol,
        tolerances_mm=tolerances,
        seed=request.seed,
        num_clicks=request.numbers,
        num_trials=request.trials,
        max_windows=request.max_windows,
        strategies=request.strategies,
        without_target=tuple(case.case_id for case in done if not case.trials),
        curves=make_curves(trials, request.strategies, [one.name for one in plan.objects] or [""]),
        trials=tuple(trials),
    )


def _do_cases(
    cases: Sequence[CaseFiles],
    kept: KeptCases,
    predictor: Predictor,
    request: StudyRequest,
    tolerances: tuple[float, ...],
) -> list[KeptCase]:
    """Return all cases in order. Cases that an earlier call finished are not repeated."""
    done = {files.case_id: found for files in cases if (found := kept.find(files)) is not None}
    if done:
        say(f"{kept.folder}: {len(done)} of {len(cases)} cases were done before and are used again")
    todo = [files for files in cases if files.case_id not in done]
    for files in track(todo, "clicks", len(todo)):
        trials = [
            try_clicks(case, strategy, number, request, tolerances)
            for case in open_case(files, predictor, request.max_windows)
            for strategy in request.strategies
            for number in range(request.trials)
        ]
        done[files.case_id] = kept.save(files, trials)
    return [done[files.case_id] for files in cases]


def _so_far(kept: KeptCases, cases: Sequence[CaseFiles]) -> str:
    """Say how many cases are finished, for a command that is stopped."""
    done = sum(kept.find(files) is not None for files in cases)
    return (
        f"{kept.folder}: {done} of {counted(len(cases), 'case', 'are')} finished and kept; run the same command again"
        " to continue"
    )
