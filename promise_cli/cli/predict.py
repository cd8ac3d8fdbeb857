"""`promise-predict`: its arguments."""

from pathlib import Path
from typing import Annotated

import typer

from promise_cli.cli.conduct import explains_errors, share_cores
from promise_cli.cli.options import Device, Root, SeveralValues, make_app

predict_app = make_app()


@predict_app.command(cls=SeveralValues)
@explains_errors
def predict(
    images: Annotated[
        Path,
        typer.Option("-i", "--images", metavar="SCAN|FOLDER", help="A scan or a folder of scans."),
    ],
    prompts: Annotated[
        Path, typer.Option("-p", "--prompts", metavar="CLICKS", help='Clicks: {"case": [i, j, k]}.')
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", show_default="predictions/<images>")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "-m", "--model", help="A run's folder or a checkpoint.", show_default="the only run"
        ),
    ] = None,
    fold: Annotated[
        list[int] | None,
        typer.Option(
            "-f", "--fold", metavar="N ...", help="Fold to use; several (-f 0 1 2) are averaged."
        ),
    ] = None,
    device: Device = "auto",
    root: Root = None,
) -> None:
    """Segment what the clicks mean: scans + clicks -> a mask on each scan's own grid."""
    share_cores()
    from promise_cli.predict import predict as run

    complete = run(
        images, prompts, output=output, run_dir=model, folds=fold or (), device=device, root=root
    )
    if not complete:
        raise typer.Exit(1)
