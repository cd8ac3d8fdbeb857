"""`promise-evaluate`: its arguments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from promise_cli.cli.conduct import explains_errors, share_cores
from promise_cli.cli.options import (
    Device,
    EmptyPolicy,
    Format,
    FurtherMetric,
    MissingPolicy,
    Protocol,
    Root,
    SeveralValues,
    Strategy,
    Workers,
    make_app,
)
from promise_cli.errors import EvaluationError

evaluate_app = make_app()

NOT_WITH_CLICKS = {
    "predictions": "PREDICTIONS",
    "labels": "LABELS",
    "compare": "--compare",
    "metrics": "--metrics",
    "formats": "--format",
    "empty": "--empty",
    "missing": "--missing",
    "page": "--report/--no-report",
    "workers": "--workers",
}
"""Options that a study of clicks does not use, by parameter name."""
ONLY_WITH_CLICKS = {
    "fold": "--fold",
    "trials": "--trials",
    "strategies": "--strategies",
    "seed": "--seed",
    "max_windows": "--max-windows",
    "model": "--model",
    "device": "--device",
}
"""Options that only a study of clicks uses, by parameter name."""


@evaluate_app.command(cls=SeveralValues)
@explains_errors
def evaluate(
    ctx: typer.Context,
    predictions: Annotated[
        Path | None,
        typer.Argument(
            help="Masks: a folder or a file.", show_default="the last under predictions/"
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Argument(
            help="Labels: a folder, a file or an MSD folder.", show_default="the dataset's"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Folder for the results.", show_default="the predictions'"
        ),
    ] = None,
    tolerance: Annotated[
        list[float] | None,
        typer.Option(
            metavar="MM ...",
            help="Of NSD, in mm; one or several.",
            show_default="5, or the protocol's",
        ),
    ] = None,
    protocol: Annotated[
        Protocol, typer.Option(help="promise: 5 mm; msd: the task's own tolerance.")
    ] = Protocol.PROMISE,
    metrics: Annotated[
        list[FurtherMetric] | None,
        typer.Option("--metrics", metavar="METRIC ...", help=f"Also: {', '.join(FurtherMetric)}."),
    ] = None,
    empty: Annotated[
        EmptyPolicy, typer.Option(help="What a metric is where both masks are empty.")
    ] = EmptyPolicy.NAN,
    missing: Annotated[
        MissingPolicy, typer.Option(help="What becomes of a case without prediction.")
    ] = MissingPolicy.ERROR,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER", help="Test against another set: its masks, or its metrics.json."
        ),
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option(
            "--format", metavar="FORMAT", help="nnunet: also write nnU-Net's summary.json."
        ),
    ] = None,
    page: Annotated[
        bool,
        typer.Option("--report/--no-report", help="Write report.html with pictures of all cases."),
    ] = True,
    clicks: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N ...",
            help="Predict a fold's test cases with so many simulated clicks and score them.",
        ),
    ] = None,
    fold: Annotated[
        int | None, typer.Option("-f", "--fold", help="Of the run, with --clicks.")
    ] = None,
    trials: Annotated[int, typer.Option(help="Draws of clicks a case, with --clicks.")] = 1,
    strategies: Annotated[
        list[Strategy] | None,
        typer.Option(
            "--strategies",
            metavar="STRATEGY ...",
            help=f"Where to click: {', '.join(Strategy)}.",
            show_default="random",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the clicks.")] = 0,
    max_windows: Annotated[
        int,
        typer.Option(
            min=1,
            help="How far a lesion wider than the window is followed, with --clicks; 1 as in the paper.",
        ),
    ] = 1,
    model: Annotated[
        Path | None,
        typer.Option(
            "-m",
            "--model",
            help="A run's folder or a checkpoint, with --clicks.",
            show_default="the only run",
        ),
    ] = None,
    device: Device = "auto",
    workers: Workers = None,
    root: Root = None,
) -> None:
    """Score masks against labels: Dice and NSD per case and in summary."""
    if clicks:
        if unused := _given(ctx, NOT_WITH_CLICKS):
            raise EvaluationError(
                f"--clicks predicts a fold's test cases itself; leave out {unused}"
            )
        _study(
            clicks=tuple(clicks),
            trials=trials,
            strategies=tuple(strategy.value for strategy in strategies or [Strategy.RANDOM]),
            seed=seed,
            max_windows=max_windows,
            tolerances_mm=tuple(tolerance or ()),
            protocol=protocol.value,
            fold=fold,
            run=model,
            device=device,
            root=root,
            output=output,
        )
        return
    if unused := _given(ctx, ONLY_WITH_CLICKS):
        verb = "go" if " and " in unused else "goes"
        raise EvaluationError(f"{unused} {verb} with --clicks N; add it")
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
        nnunet=Format.NNUNET in (formats or ()),
        workers=workers,
    )
    show_report(report)


def _given(ctx: typer.Context, names: Mapping[str, str]) -> str:
    """Those of some arguments that the user gave, as a list in words; empty where none was given."""
    given = [
        shown
        for name, shown in names.items()
        if (source := ctx.get_parameter_source(name)) is not None and source.name != "DEFAULT"
    ]
    return " and ".join([", ".join(given[:-1]), given[-1]] if len(given) > 1 else given)


def _study(**options: Any) -> None:
    """Simulated clicks need the network, which nothing else here loads."""
    share_cores()
    from promise_cli.evaluate.clicks import StudyRequest, show_study, study_clicks

    show_study(*study_clicks(StudyRequest(**options)))
