"""`promise-evaluate`: its arguments."""

from pathlib import Path
from typing import Annotated

import typer

from promise_cli.cli.conduct import explains_errors
from promise_cli.cli.options import (
    EmptyPolicy,
    Format,
    FurtherMetric,
    MissingPolicy,
    Protocol,
    Root,
    SeveralValues,
    Workers,
    make_app,
)

evaluate_app = make_app()


@evaluate_app.command(cls=SeveralValues)
@explains_errors
def evaluate(
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
        typer.Option("--format", help="nnunet: also write nnU-Net's summary.json."),
    ] = None,
    page: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html with the worst cases.")
    ] = True,
    workers: Workers = None,
    root: Root = None,
) -> None:
    """Score masks against labels: Dice and NSD per case and in summary."""
    from promise_cli.evaluate import evaluate as run
    from promise_cli.evaluate import show_report

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
