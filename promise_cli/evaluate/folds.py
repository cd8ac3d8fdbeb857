"""Join the scores that the trainings of several folds left into one score over all their test cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from promise_cli.console import counted, say, show_table
from promise_cli.disk.ours import is_marked
from promise_cli.disk.records import load_json
from promise_cli.disk.workspace import ALL, Fold, open_workspace
from promise_cli.errors import EvaluationError, listed, shown
from promise_cli.evaluate.trained import means_of, trained_scores
from promise_cli.network.checkpoint import Checkpoint, load_checkpoint
from promise_cli.network.settings import first_difference, settings_of
from promise_cli.network.unfinished import unfinished
from promise_cli.scores import (
    MARKS,
    METRICS_FILE,
    CaseScore,
    Report,
    claim_folder,
    report_files,
    show_report,
    summarize,
    typed_command,
    write_report,
)
from promise_cli.scores.statistics import format_number, format_range
from promise_cli.scores.tolerances import TRAINING_TOLERANCE_MM

FOLDER = "crossval_results_folds_"
"""Beginning of the name of the folder of the results, as nnU-Net names it. The folds follow."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredFold:
    """One fold: its run, and the scores of its test cases."""

    run: Path
    checkpoint: Checkpoint
    cases: tuple[CaseScore, ...]


def score_folds(
    folds: Sequence[Fold],
    *,
    run: Path | None = None,
    name: str | None = None,
    dataset: str | None = None,
    root: Path | None = None,
    output: Path | None = None,
) -> tuple[Report, tuple[ScoredFold, ...]]:
    """Join the scores of several folds, each test case once, and write metrics.json, metrics.csv and metrics.md.

    Args:
        folds: The folds, each once.
        run: Folder of a dataset's results, or of the runs of a network in it; None searches all results.
        name: Name of the runs; None for runs without a name.
        dataset: Name of the dataset; None if there is only one.
        root: Folder of the workspace.
        output: Folder of the results; None: `crossval_results_folds_<folds>` next to the folders of the runs.

    Returns:
        The content of metrics.json, and the folds.

    Raises:
        WorkspaceError: A fold has no run, or runs of several datasets or networks fit.
        EvaluationError: A fold is not finished, was trained with another plan or other settings than the first, or
            shares a test case with another fold. Nothing was written.
    """
    checkpoints = open_workspace(root).find_runs(run, folds, name, dataset)
    scored = tuple(_read_fold(path) for path in checkpoints)
    for one in scored[1:]:
        _refuse_different(scored[0], one)
    _refuse_shared_cases(scored)
    first = scored[0]
    words = "_".join(str(one.checkpoint.fold) for one in scored)
    folder = output or first.run.parent / f"{FOLDER}{words}"
    claim_folder(folder, MARKS, report_files(nnunet=False))
    if is_marked(folder / METRICS_FILE, MARKS[METRICS_FILE]):
        say(f"{folder}: replaced the earlier scores in {METRICS_FILE}; -o keeps both")
    cases = sorted((case for one in scored for case in one.cases), key=lambda case: case.case_id)
    report = Report(
        command=typed_command(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=first.checkpoint.plan.dataset,
        predictions=str(first.run.parent),
        labels=str(load_json(first.run / METRICS_FILE).get("labels")),
        output=str(folder),
        protocol="promise",
        tolerances_mm=(TRAINING_TOLERANCE_MM,),
        empty_policy="nan",
        empty_cases=sum(case.status == "both_empty" for case in cases),
        missing_policy="error",
        missing_cases=0,
        notes=(_note(scored, len({case.case_id for case in cases})),),
        summary=summarize(cases),
        cases=tuple(cases),
    )
    write_report(report, folder)
    return report, scored


def show_folds(report: Report, folds: Sequence[ScoredFold]) -> None:
    """Print the scores of all cases, their summary, and the means of each fold."""
    show_report(report)
    rows = []
    for one in folds:
        number, *means = means_of(one.cases)
        shown = (format_number(mean, 4) for mean in means)
        rows.append((str(one.checkpoint.fold), str(number), *shown))
    show_table("Folds", ("fold", "cases", "Dice", f"NSD {TRAINING_TOLERANCE_MM:g} mm"), rows)
    dice = report.summary.overall.dice
    interval = (
        f", 95 % interval {format_range(dice.interval, 4)} (bootstrap over cases)"
        if dice.n > 1
        else ""
    )
    say(
        f"Dice over {counted(dice.n, 'case')} of {counted(len(folds), 'fold')}: {format_number(dice.mean, 4)}{interval}"
    )


def _read_fold(path: Path) -> ScoredFold:
    """Read the run of a checkpoint.

    Raises:
        EvaluationError: The training is not finished, its test cases are not scored, or the scores are of other cases.
    """
    run = path.parent
    checkpoint = load_checkpoint(path)
    fold = checkpoint.fold
    if fold == ALL or not checkpoint.split.test:
        raise EvaluationError(
            f"{run}: fold {fold} has no test cases, so it has no scores; leave it out"
        )
    if sentence := unfinished(path):
        raise EvaluationError(sentence)
    if not (run / METRICS_FILE).is_file():
        raise EvaluationError(
            f"{run}: its test cases are not scored; run promise-train --fold {fold} --resume to finish it"
        )
    cases = trained_scores(run)
    found = {case.case_id for case in cases}
    if found != set(checkpoint.split.test):
        odd = sorted(found ^ set(checkpoint.split.test))
        raise EvaluationError(
            f"{run / METRICS_FILE}: scores other cases than the test cases of fold {fold}, such as {odd[0]}; move it"
            f" away, and score them again with promise-train --fold {fold} --resume"
        )
    return ScoredFold(run=run, checkpoint=checkpoint, cases=cases)


def _refuse_different(first: ScoredFold, other: ScoredFold) -> None:
    """Refuse folds that were trained with different plans or settings."""
    one, two = first.checkpoint, other.checkpoint
    if one.plan != two.plan:
        raise EvaluationError(
            f"{other.run}: was trained with another plan than {first.run}; train both with the same plans.json"
        )
    differs = first_difference(
        settings_of(two.network, two.preset, two.model_config, two.train_config),
        settings_of(one.network, one.preset, one.model_config, one.train_config),
    )
    if differs is not None:
        name, theirs, ours = differs
        raise EvaluationError(
            f"{other.run}: was trained with {name} {shown(theirs)}, but {first.run} with {shown(ours)}; one score needs"
            " folds that are trained alike"
        )


def _refuse_shared_cases(folds: Sequence[ScoredFold]) -> None:
    """Refuse folds that share a test case, since each case may count only once."""
    seen: dict[str, Path] = {}
    for one in folds:
        for case in {score.case_id for score in one.cases}:
            if case in seen:
                raise EvaluationError(
                    f"{one.run}: case {case} is a test case of {seen[case]}, too; each case may count only once"
                )
            seen[case] = one.run


def _note(folds: Sequence[ScoredFold], number: int) -> str:
    """Return a sentence that says which folds the scores are from, and how they were made."""
    names = listed((one.checkpoint.fold for one in folds), len(folds))
    seeds = listed(dict.fromkeys(one.checkpoint.seed for one in folds))
    fold = "fold" if len(folds) == 1 else "folds"
    return (
        f"{counted(number, 'test case')} of {fold} {names} of {folds[0].run.parent}, each scored once by the network of"
        f" its own fold, as promise-train left it (on the plan's grid, seed {seeds})"
    )
