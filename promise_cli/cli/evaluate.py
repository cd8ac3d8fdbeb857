"""Arguments of `promise-evaluate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from promise_cli.cli.command import FurtherMetric, SeveralValues, Strategy
from promise_cli.cli.conduct import explains_errors, share_cores
from promise_cli.cli.fold import read_folds
from promise_cli.cli.modes import choose_mode
from promise_cli.cli.options import (
    Dataset,
    Device,
    EmptyPolicy,
    Format,
    MissingPolicy,
    PictureChannel,
    PlanName,
    Protocol,
    Quiet,
    Root,
    RunName,
    Version,
    Workers,
    make_app,
)
from promise_cli.errors import EvaluationError

evaluate_app = make_app()


@evaluate_app.command(cls=SeveralValues)
@explains_errors
def evaluate(
    ctx: typer.Context,
    predictions: Annotated[
        Path | None,
        typer.Argument(
            help="Predicted masks: a folder or a file.",
            show_default="the newest folder in predictions/",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Argument(
            help="Reference labels: a folder, a file, or a dataset's folder that holds labelsTr.",
            show_default="the labels of the predictions' dataset",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for the results.",
            show_default="the folder of the predictions; with --clicks: clicks/ next to the checkpoint",
        ),
    ] = None,
    tolerance: Annotated[
        list[float] | None,
        typer.Option(
            metavar="MM ...",
            help="Tolerance of NSD in mm: how far apart two surfaces may lie and still count as matching. Several"
            " values give several scores.",
            show_default="5, or the value that --protocol sets",
        ),
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="Standard that sets the tolerance of NSD. promise: 5 mm; msd: the tolerance of the Medical"
            " Segmentation Decathlon for this task."
        ),
    ] = Protocol.PROMISE,
    metrics: Annotated[
        list[FurtherMetric] | None,
        typer.Option(
            "--metrics",
            metavar="METRIC ...",
            help=f"Metrics to compute besides Dice and NSD, one or several of: {', '.join(FurtherMetric)}.",
        ),
    ] = None,
    empty: Annotated[
        EmptyPolicy,
        typer.Option(
            help="Score of a case in which prediction and label are both empty. nan: no score, the case is left out of"
            " the statistics; one: 1; zero: 0."
        ),
    ] = EmptyPolicy.NAN,
    missing: Annotated[
        MissingPolicy,
        typer.Option(
            help="What to do with a case that has no prediction. error: stop; zero: score it as 0; skip: leave it out"
            " of the statistics."
        ),
    ] = MissingPolicy.ERROR,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER",
            help="Second set of predictions of the same cases: its folder of masks, or its metrics.json. Paired tests"
            " compare the two.",
        ),
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Further format of the results. nnunet: also write summary.json as nnU-Net does.",
        ),
    ] = None,
    page: Annotated[
        bool,
        typer.Option(
            "--report/--no-report",
            help="Write report.html, a page with scores and pictures of cases.",
        ),
    ] = True,
    picture_channel: PictureChannel = 1,
    clicks: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N ...",
            help="Test a network with simulated clicks on the test cases of its fold. The masks are predicted and"
            " scored for each of these numbers of clicks, such as 1 2 5 10.",
        ),
    ] = None,
    fold: Annotated[
        list[str] | None,
        typer.Option(
            "-f",
            "--fold",
            "--folds",
            metavar="N ...",
            help="One score over the test cases of these folds, from the scores that promise-train left. With --clicks:"
            " the fold whose network is tested, not needed if there is a single run.",
        ),
    ] = None,
    runs: Annotated[
        bool, typer.Option("--runs", help="List all training runs with their scores, and exit.")
    ] = False,
    trials: Annotated[
        int, typer.Option(help="With --clicks: how often clicks are drawn for each case.")
    ] = 1,
    strategies: Annotated[
        list[Strategy] | None,
        typer.Option(
            "--strategies",
            metavar="STRATEGY ...",
            help="With --clicks: where on the target to click, one or several of:"
            f" {', '.join(Strategy)}. With largest-error, each further click corrects the mask so far.",
            show_default="random",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="With --clicks: seed of the random draws of clicks.")
    ] = 0,
    max_windows: Annotated[
        int,
        typer.Option(
            min=1,
            help="With --clicks: largest number of windows for one lesion. The network sees one window (a cube) at a"
            " time; 1 is the paper's setting.",
        ),
    ] = 1,
    model: Annotated[
        Path | None,
        typer.Option(
            "-m",
            "--model",
            help="With --clicks: trained network, given as the folder of a training run or as a checkpoint file (.pt)."
            " With --fold: folder of the runs.",
            show_default="the only run",
        ),
    ] = None,
    name: RunName = None,
    dataset: Dataset = None,
    plan: PlanName = None,
    device: Device = "auto",
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="With --clicks: replace an earlier study in the folder of the results.",
        ),
    ] = False,
    workers: Workers = None,
    root: Root = None,
    _quiet: Quiet = False,
    _version: Version = False,
) -> None:
    """Score predicted masks against reference labels: Dice and normalised surface Dice (NSD).

    Without arguments, the newest predictions of promise-predict are scored against the labels of their dataset. The
    scores of each case and a summary are shown, and written to metrics.json, metrics.csv, metrics.md and report.html.

    With --fold, the scores that promise-train wrote for these folds are joined into one summary with intervals.

    With --clicks, the command needs no predictions: it clicks on the test cases of a fold like a simulated user,
    predicts masks from the clicks, and scores these masks.
    """
    from promise_cli.disk.plan_names import with_plan

    folds = read_folds(fold)
    mode = choose_mode(ctx, clicks=bool(clicks), fold=bool(folds), runs=runs)
    dataset = with_plan(dataset, plan)
    if mode == "runs":
        from promise_cli.evaluate.runs import list_runs, show_runs

        show_runs(list_runs(root, dataset))
        return
    if mode == "folds":
        share_cores()
        from promise_cli.evaluate.folds import score_folds, show_folds

        show_folds(
            *score_folds(folds, run=model, name=name, dataset=dataset, root=root, output=output)
        )
        return
    if mode == "clicks":
        if len(folds) > 1:
            raise EvaluationError("--clicks tests the network of one fold; give one --fold")
        _study(
            clicks=tuple(clicks or ()),
            trials=trials,
            strategies=tuple(strategy.value for strategy in strategies or [Strategy.RANDOM]),
            seed=seed,
            max_windows=max_windows,
            tolerances_mm=tuple(tolerance or ()),
            protocol=protocol.value,
            fold=folds[0] if folds else None,
            run=model,
            name=name,
            dataset=dataset,
            device=device,
            overwrite=overwrite,
            root=root,
            output=output,
        )
        return
    from promise_cli.evaluate.command import evaluate as run
    from promise_cli.evaluate.command import show_report

    report = run(
        predictions,
        labels,
        root=root,
        output=output,
        tolerances_mm=tuple(tolerance) if tolerance else None,
        protocol=protocol.value,
        empty=empty.value,
        missing=missing.value,
        metrics=[metric.value for metric in metrics or ()],
        compare_with=compare,
        page=page,
        picture_channel=picture_channel,
        nnunet=Format.NNUNET in (formats or ()),
        workers=workers,
    )
    show_report(report)


def _study(**options: Any) -> None:
    """Run a click study. It is the only use of the command that loads torch."""
    share_cores()
    from promise_cli.evaluate.clicks import StudyRequest, show_study, study_clicks

    show_study(*study_clicks(StudyRequest(**options)))
