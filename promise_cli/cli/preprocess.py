"""Arguments of `promise-preprocess`."""

from pathlib import Path
from typing import Annotated

import typer

from promise_cli.cli.command import SeveralLabels
from promise_cli.cli.conduct import explains_errors
from promise_cli.cli.options import (
    Dataset,
    Overwrite,
    Quiet,
    Root,
    Version,
    Workers,
    dataset_of,
    make_app,
)

preprocess_app = make_app()


@preprocess_app.command(cls=SeveralLabels)
@explains_errors
def preprocess(
    task: Annotated[
        str | None,
        typer.Argument(
            help="Dataset folder in the layout of MSD or nnU-Net, or its name: Task07_Pancreas, Task07 or 7.",
            show_default=False,
        ),
    ] = None,
    dataset: Dataset = None,
    root: Root = None,
    target_label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL ...",
            help="Name or number of the label to segment; several labels are merged into one target.",
            show_default="the label named cancer or tumour, otherwise the one with the largest value",
        ),
    ] = None,
    objects: Annotated[
        list[str] | None,
        typer.Option(
            metavar="each|OBJECT ...",
            help="Plan one network for several labels; a click asks for one of them. Give each for all labels and"
            " regions of the dataset, or names of some of them. whole=1,2,3 makes a region. Not part of the paper.",
            show_default="one target",
        ),
    ] = None,
    spacing: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="I J K",
            help="Spacing in mm to which scans are resampled.",
            show_default="that of an existing plan, otherwise 1 1 1",
        ),
    ] = None,
    patch_size: Annotated[
        int | None,
        typer.Option(
            help="Edge of the network's window in voxels, a multiple of 4.",
            show_default="that of an existing plan, otherwise 128",
        ),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Make a further plan with this name, next to the dataset's other plans.",
        ),
    ] = None,
    cases_format: Annotated[
        str | None,
        typer.Option(
            metavar="npy|blosc2",
            help="How cases are stored: npy, plain arrays; or blosc2, compressed without loss, for a quarter to a half"
            " of the disk space. Cases in the other format are written again. Needs pip install 'promise_cli[blosc2]'.",
            show_default="that of an existing plan, otherwise npy",
        ),
    ] = None,
    splits: Annotated[
        Path | None,
        typer.Option(
            help="File of folds to use: splits.json of this tool or splits_final.json of nnU-Net."
        ),
    ] = None,
    workers: Workers = None,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave out unusable cases; fingerprint.json names them."),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Write only this part of the cases, such as 3/16; parts may run at the same time.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    _quiet: Quiet = False,
    _version: Version = False,
) -> None:
    """Check a dataset, make its plan and folds, and write its cases to preprocessed/<dataset>."""
    named = dataset_of(task, dataset)
    if named is None:
        raise typer.BadParameter("name a dataset, such as Task07 or -d 7", param_hint="'TASK'")
    from promise_cli.console import counted, say
    from promise_cli.dataset.case_arrays import SUFFIXES
    from promise_cli.errors import listed
    from promise_cli.preprocess.command import preprocess as run

    stored = next((form for form in SUFFIXES if form == cases_format), None)
    if stored != cases_format:
        raise typer.BadParameter(
            f"{cases_format}: use {' or '.join(SUFFIXES)}", param_hint="'--cases-format'"
        )
    done = run(
        named,
        root=root,
        target_label=target_label or (),
        objects=objects or (),
        cases_format=stored,
        splits=splits,
        workers=workers,
        skip_bad=skip_bad,
        shard=shard,
        overwrite=overwrite,
        spacing=spacing,
        patch_size=patch_size,
        plan=plan,
    )
    total = len(done.fingerprint.cases)
    say(f"{done.folder}: {counted(total, 'case')}, {done.num_new} written now")
    if done.fingerprint.left_out:
        names = listed(case.case_id for case in done.fingerprint.left_out)
        say(f"left out as unusable, see fingerprint.json: {names}")
    if done.num_there < total:
        left = total - done.num_there
        say(
            f"shard {done.shard.number}/{done.shard.count} is done;"
            f" {counted(left, 'case')} of other shards {'is' if left == 1 else 'are'} still missing"
        )
