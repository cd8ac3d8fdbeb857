"""Arguments of `promise-predict`."""

from pathlib import Path
from typing import Annotated

import typer

from promise_cli.cli.command import SeveralValues
from promise_cli.cli.conduct import explains_errors, share_cores
from promise_cli.cli.fold import read_folds
from promise_cli.cli.options import (
    AveragedFolds,
    Dataset,
    Device,
    MaxWindows,
    Mirrored,
    Model,
    Overwrite,
    PictureChannel,
    PlanName,
    Precision,
    Quiet,
    Root,
    RunName,
    Version,
    make_app,
)

predict_app = make_app()


@predict_app.command(cls=SeveralValues)
@explains_errors
def predict(
    images: Annotated[
        Path | None,
        typer.Option(
            "-i",
            "--images",
            metavar="SCAN|FOLDER",
            help="A scan (NIfTI, NRRD, MetaImage, or a folder of DICOM slices), or a folder of scans.",
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            "-p",
            "--prompts",
            metavar="CLICKS",
            help="Click file: from 3D Slicer (.mrk.json, .fcsv) or MITK (.mps), a table (.csv, .tsv), or our JSON"
            ' ({"case": [i, j, k]}); or a folder of such files.',
        ),
    ] = None,
    point: Annotated[
        list[float] | None,
        typer.Option(
            metavar="I J K",
            help="Click on the target in a single scan, instead of -p. By default the numbers are voxel indices"
            " counted from 0 (see --space). Three more numbers are a second click, and so on.",
        ),
    ] = None,
    click_object: Annotated[
        str | None,
        typer.Option(
            "--object",
            metavar="NAME|VALUE",
            help="For a network of several objects (promise-preprocess --objects): the object of the clicks of --point,"
            " and of click files that name none.",
        ),
    ] = None,
    test_cases: Annotated[
        bool,
        typer.Option(
            "--test-cases",
            help="Instead of -i and -p: predict the test cases of the fold, each with one click that is drawn from its"
            " label, or one on each object.",
        ),
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="With --test-cases: seed of the random clicks.")
    ] = 0,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="SPACE",
            help="Coordinate system of --point, and of click files that do not name one: voxel (i, j, k), voxel_zyx"
            " (k, j, i), LPS or RAS (both in mm).",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for the masks.",
            show_default="predictions/<images>; with --test-cases: predictions/<dataset>_fold_<n>",
        ),
    ] = None,
    model: Model = None,
    fold: AveragedFolds = None,
    name: RunName = None,
    dataset: Dataset = None,
    plan: PlanName = None,
    max_windows: MaxWindows = None,
    single_window: Annotated[
        bool,
        typer.Option(
            "--single-window",
            help="Use only one window for each lesion, as in the paper. The same as --max-windows 1.",
        ),
    ] = False,
    auto: Annotated[
        bool,
        typer.Option(
            "--auto",
            help="Also segment scans that have no click, by looking at the whole scan. The network is not trained for"
            " this, and the paper does not do it.",
        ),
    ] = False,
    tta: Mirrored = False,
    save_prob: Annotated[
        bool,
        typer.Option(
            "--save-prob",
            help="Also write the probability of the target in each voxel, to probabilities/<case>.nii.gz.",
        ),
    ] = False,
    same_format: Annotated[
        bool,
        typer.Option(
            "--same-format", help="Write masks in the file format of the scan instead of .nii.gz."
        ),
    ] = False,
    report: Annotated[
        bool,
        typer.Option("--report", help="Write report.html, a page with a picture of each case."),
    ] = False,
    picture_channel: PictureChannel = 1,
    write_points: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Write the clicks as they were understood: to our JSON (.json), to a file for 3D Slicer (.mrk.json,"
            " one case), or to a folder of .mrk.json files.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Predict only part I of N of the cases, such as 3/16. Several parts may run at the same time.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    precision: Precision = None,
    device: Device = "auto",
    root: Root = None,
    _quiet: Quiet = False,
    _version: Version = False,
) -> None:
    """Segment the lesions that you click on. Scans are given with -i, clicks with -p or --point.

    The command writes a mask for each scan, on the voxel grid of the scan. The file predictions.json next to the masks
    lists how each click was understood.

    A network that was trained without clicks segments whole scans, and takes neither -p nor --point.
    """
    if images is None and not test_cases:
        raise typer.BadParameter("give scans, or --test-cases --fold N", param_hint="'-i'")
    if images is not None and test_cases:
        raise typer.BadParameter(
            "takes the scans from the dataset; leave out -i", param_hint="'--test-cases'"
        )
    if point and len(point) % 3:
        raise typer.BadParameter(
            f"each click needs three numbers, found {len(point)} numbers", param_hint="'--point'"
        )
    if single_window and max_windows not in (None, 1):
        raise typer.BadParameter(
            "contradicts --max-windows; leave out one of them", param_hint="'--single-window'"
        )
    share_cores()
    from promise_cli.disk.plan_names import with_plan
    from promise_cli.jobs import read_shard
    from promise_cli.predict import needs_clicks, run
    from promise_cli.predict.predict_request import PredictRequest, parse_space
    from promise_cli.session.neighbours import MAX_WINDOWS

    request = PredictRequest(
        images=images,
        prompts=prompts,
        points=tuple(zip(*[iter(point or ())] * 3, strict=True)),
        object=click_object,
        test_cases=test_cases,
        seed=seed,
        space=parse_space(space) if space is not None else None,
        output=output,
        run_dir=model,
        folds=read_folds(fold),
        name=name,
        dataset=with_plan(dataset, plan),
        device=device,
        precision=precision or "auto",
        max_windows=1 if single_window else max_windows or MAX_WINDOWS,
        tta=tta,
        auto=auto,
        save_prob=save_prob,
        same_format=same_format,
        report=report,
        picture_channel=picture_channel,
        write_points=write_points,
        overwrite=overwrite,
        shard=read_shard(shard) if shard is not None else None,
        root=root,
    )
    if not (request.has_clicks or request.auto) and needs_clicks(request):
        raise typer.BadParameter(
            "no clicks; give them with -p or --point, or give --auto", param_hint="'-p'"
        )
    if not run(request):
        raise typer.Exit(1)
