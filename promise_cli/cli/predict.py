"""`promise-predict`: its arguments."""

from pathlib import Path
from typing import Annotated

import typer

from promise_cli.cli.conduct import explains_errors, share_cores
from promise_cli.cli.options import Device, Overwrite, Precision, Root, SeveralValues, make_app

predict_app = make_app()


@predict_app.command(cls=SeveralValues)
@explains_errors
def predict(
    images: Annotated[
        Path,
        typer.Option("-i", "--images", metavar="SCAN|FOLDER", help="A scan or a folder of scans."),
    ],
    prompts: Annotated[
        Path | None,
        typer.Option(
            "-p",
            "--prompts",
            metavar="CLICKS",
            help='Clicks: our JSON ({"case": [i, j, k]}), .mrk.json, .fcsv, .mps, .csv, or a folder of such files.',
        ),
    ] = None,
    point: Annotated[
        list[float] | None,
        typer.Option(
            metavar="I J K",
            help="A click on the only scan, instead of -p; three numbers more for each further one.",
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="SPACE",
            help="voxel (i, j, k), voxel_zyx (k, j, i), LPS or RAS (mm): of clicks whose file does not say it.",
        ),
    ] = None,
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
    max_windows: Annotated[
        int | None,
        typer.Option(
            min=1, help="How far a lesion wider than the window is followed.", show_default="20"
        ),
    ] = None,
    single_window: Annotated[
        bool, typer.Option("--single-window", help="One window a lesion, as in the paper.")
    ] = False,
    auto: Annotated[
        bool,
        typer.Option(
            "--auto", help="Look at the whole of scans without a click; not in the paper."
        ),
    ] = False,
    tta: Annotated[
        bool, typer.Option("--tta", help="Average over mirrorings: eight times the work.")
    ] = False,
    save_prob: Annotated[
        bool, typer.Option("--save-prob", help="Write probabilities/<case>.nii.gz too.")
    ] = False,
    same_format: Annotated[
        bool, typer.Option("--same-format", help="Write masks as the scan's file is, not .nii.gz.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write report.html with a picture of each case.")
    ] = False,
    write_points: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Write the clicks as understood: .json (ours), .mrk.json (3D Slicer), or a folder of .mrk.json.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Do this part of the cases, such as 3/16; parts may run at once."
        ),
    ] = None,
    overwrite: Overwrite = False,
    precision: Precision = None,
    device: Device = "auto",
    root: Root = None,
) -> None:
    """Segment what the clicks mean: scans + clicks -> a mask on each scan's own grid.

    A network that was trained to take no clicks looks at whole scans and needs no -p.
    """
    if point and len(point) % 3:
        raise typer.BadParameter(
            f"a click has three numbers, found {len(point)}", param_hint="'--point'"
        )
    if single_window and max_windows not in (None, 1):
        raise typer.BadParameter("contradicts --max-windows", param_hint="'--single-window'")
    share_cores()
    from promise_cli.jobs import read_shard
    from promise_cli.predict import needs_clicks, run
    from promise_cli.predict.predict_request import PredictRequest, parse_space
    from promise_cli.session.neighbours import MAX_WINDOWS

    request = PredictRequest(
        images=images,
        prompts=prompts,
        points=tuple(zip(*[iter(point or ())] * 3, strict=True)),
        space=parse_space(space) if space is not None else None,
        output=output,
        run_dir=model,
        folds=tuple(fold or ()),
        device=device,
        precision=precision or "auto",
        max_windows=1 if single_window else max_windows or MAX_WINDOWS,
        tta=tta,
        auto=auto,
        save_prob=save_prob,
        same_format=same_format,
        report=report,
        write_points=write_points,
        overwrite=overwrite,
        shard=read_shard(shard) if shard is not None else None,
        root=root,
    )
    if not (request.has_clicks or request.auto) and needs_clicks(request):
        raise typer.BadParameter("give clicks with -p or --point, or --auto", param_hint="'-p'")
    if not run(request):
        raise typer.Exit(1)
