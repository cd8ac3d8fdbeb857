"""The four commands: read the arguments, call the stage, explain what a user can mend.

Heavy imports live inside the commands, so that `--help` answers at once.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from promise_cli.errors import PromiseError
from promise_cli.options import (
    Device,
    EmptyPolicy,
    MissingPolicy,
    Overwrite,
    Protocol,
    Root,
    SeveralValues,
    Workers,
    make_app,
)

P = ParamSpec("P")

preprocess_app = make_app()
train_app = make_app()
predict_app = make_app()
evaluate_app = make_app()


def _explains_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Show what a user can mend as one line, and exit with status 1."""

    @functools.wraps(command)
    def explained(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except PromiseError as error:
            from promise_cli.console import fail

            fail(str(error))
            raise typer.Exit(1) from None
        except OSError as error:
            from promise_cli.console import fail

            place = error.filename or "the disk"
            fail(f"{place}: {error.strerror or error}; check permissions and free space")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            from promise_cli.console import fail

            fail("stopped; what was finished is kept")
            raise typer.Exit(1) from None

    return explained


def _share_cores() -> None:
    """Let torch's threads sleep soon while they wait for each other; must be set before torch is loaded.

    By default they spin for long: beside any other busy process a step then takes many times as long. Sleeping at
    once would cost half as much again on a machine of one's own (`docs/benchmarks.md`).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")


@preprocess_app.command()
@_explains_errors
def preprocess(
    task: Annotated[
        str, typer.Argument(help="A folder in MSD layout, or its name: Task07_Pancreas, Task07, 7.")
    ],
    root: Root = None,
    target_label: Annotated[
        str | None,
        typer.Option(
            help="Name or number of the label to segment.", show_default="the tumour, else the last"
        ),
    ] = None,
    splits: Annotated[
        Path | None,
        typer.Option(help="Folds to use: our splits.json or nnU-Net's splits_final.json."),
    ] = None,
    workers: Workers = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on without unusable cases.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Verify a dataset, plan, and write its cases: MSD folder -> preprocessed/<dataset>."""
    from promise_cli.console import say
    from promise_cli.preprocess import preprocess as run

    done = run(
        task,
        root=root,
        target_label=target_label,
        splits=splits,
        workers=workers,
        skip_bad=skip_bad,
        overwrite=overwrite,
    )
    total = len(done.fingerprint.cases)
    say(f"{done.folder}: {total} cases, {done.num_new} written now")


@train_app.command()
@_explains_errors
def train(
    fold: Annotated[int, typer.Option("--fold", "-f", help="Fold of splits.json, counted from 0.")],
    task: Annotated[
        str | None, typer.Argument(help="A preprocessed dataset.", show_default="the only one")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Network and recipe: paper, reference, tiny ...", show_default="paper"),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="sam_vit_b, sam_vit_l, sam_vit_h, dinov2_s or tiny.", show_default="the preset's"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Pretrained weights: a file, or none.", show_default="the official file"),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, show_default="the preset's")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", "--c", help="Go on from checkpoint_last.pt.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of all random draws.", show_default="42")
    ] = None,
    device: Device = "auto",
    workers: Workers = None,
    overwrite: Overwrite = False,
    root: Root = None,
) -> None:
    """Train one fold: cases -> results/<dataset>/fold_<n>."""
    _share_cores()
    from promise_cli.console import say
    from promise_cli.train import train as run

    folder = run(
        task,
        fold,
        preset_name=preset,
        encoder=encoder,
        weights=weights,
        epochs=epochs,
        seed=seed,
        device=device,
        workers=workers,
        resume=resume,
        overwrite=overwrite,
        root=root,
    )
    say(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir() if path.is_file()))}")


@predict_app.command(cls=SeveralValues)
@_explains_errors
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
    _share_cores()
    from promise_cli.predict import predict as run

    complete = run(
        images, prompts, output=output, run_dir=model, folds=fold or (), device=device, root=root
    )
    if not complete:
        raise typer.Exit(1)


@evaluate_app.command(cls=SeveralValues)
@_explains_errors
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
    empty: Annotated[
        EmptyPolicy, typer.Option(help="What a metric is where both masks are empty.")
    ] = EmptyPolicy.NAN,
    missing: Annotated[
        MissingPolicy, typer.Option(help="What becomes of a case without prediction.")
    ] = MissingPolicy.ERROR,
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
        workers=workers,
    )
    show_report(report)
