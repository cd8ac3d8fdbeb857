"""Arguments of `promise-train`."""

from typing import Annotated

import typer

from promise_cli.cli.conduct import explains_errors, share_cores
from promise_cli.cli.fold import FoldOption, read_folds
from promise_cli.cli.options import (
    Dataset,
    Device,
    Overwrite,
    PlanName,
    Precision,
    Quiet,
    ReadingWorkers,
    Root,
    Version,
    dataset_of,
    make_app,
)

train_app = make_app()


def _check_rate(rate: float | None) -> float | None:
    if rate is not None and not 0 < rate <= 1:
        raise typer.BadParameter(
            f"give a number above 0 and at most 1, such as 4e-4; found {rate:g}"
        )
    return rate


@train_app.command(cls=FoldOption)
@explains_errors
def train(
    fold: Annotated[
        list[str],
        typer.Option(
            "--fold",
            "-f",
            metavar="N ...",
            help="Fold of splits.json, counted from 0. Several are trained one after another. all: use every case.",
        ),
    ],
    task: Annotated[
        str | None,
        typer.Argument(
            help="Name or folder of a preprocessed dataset.", show_default="the only one"
        ),
    ] = None,
    dataset: Dataset = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the run, which gets a folder of its own, so that runs of different settings stay apart.",
            show_default="none",
        ),
    ] = None,
    plan: PlanName = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Settings of network and training: recommended, paper, tiny, reference ...",
            show_default="recommended; for networks other than promise: paper",
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="Network: promise, dynunet (nnU-Net's), swin_unetr, segresnet, ux_net or nnformer.",
            show_default="promise",
        ),
    ] = None,
    clicks_as_channel: Annotated[
        bool,
        typer.Option(
            "--clicks-as-channel",
            help="Give clicks to a network other than promise, as Gaussians in two more input channels.",
        ),
    ] = False,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Image encoder of promise: sam_vit_b, sam_vit_l, sam_vit_h, dinov2_s or tiny.",
            show_default="the preset's",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="File of pretrained weights for the image encoder, or none to train without them.",
            show_default="the official file, downloaded if it is missing",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Number of epochs.", show_default="the preset's")
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            callback=_check_rate, help="Learning rate at the start.", show_default="the preset's"
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Samples in a batch on each device.", show_default="the preset's"),
    ] = None,
    accumulate: Annotated[
        int | None,
        typer.Option(
            min=1, help="Batches in one step of the optimizer.", show_default="the preset's"
        ),
    ] = None,
    patches_per_case: Annotated[
        int | None,
        typer.Option(
            min=1, help="Patches from each case in one epoch.", show_default="the preset's"
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Start with the weights of this run's folder or checkpoint; epochs are counted anew.",
        ),
    ] = None,
    freeze: Annotated[
        str | None,
        typer.Option(
            help="Part that keeps the weights of --from: encoder, or all-but-head.",
            show_default="nothing",
        ),
    ] = None,
    augmentation: Annotated[
        str | None,
        typer.Option(
            help="Changes of intensities: paper (a shift) or nnunet (noise, blur, contrast, gamma ...).",
            show_default="paper",
        ),
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Set a field of the network or the recipe, listed in docs/method.md; may be repeated.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            "-c",
            help="Continue from checkpoint_last.pt (also --c, as in nnU-Net).",
        ),
    ] = False,
    max_hours: Annotated[
        float | None, typer.Option(min=0.0, help="Save the run and stop after this many hours.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="Seed of all random numbers.", show_default="42"),
    ] = None,
    device: Device = "auto",
    devices: Annotated[
        int, typer.Option(min=1, help="Number of devices of this machine that share each step.")
    ] = 1,
    precision: Precision = None,
    checkpoint_activations: Annotated[
        bool,
        typer.Option(
            "--checkpoint-activations", help="Use less memory, but take about a third more time."
        ),
    ] = False,
    compile_network: Annotated[
        bool, typer.Option("--compile", help="Compile the network with torch.compile.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write curves for TensorBoard.")
    ] = False,
    workers: ReadingWorkers = None,
    overwrite: Overwrite = False,
    root: Root = None,
    _quiet: Quiet = False,
    _version: Version = False,
) -> None:
    """Train a network on one or several folds of a preprocessed dataset.

    The run of a fold lies in results/<dataset>/fold_<n>, in results/<dataset>/<network>/fold_<n> for another
    --network, and in results/<dataset>/<network>__<name>/fold_<n> with --name.
    """
    folds = read_folds(fold)
    named = dataset_of(task, dataset)
    share_cores()
    from promise_cli.console import say
    from promise_cli.disk.plan_names import with_plan
    from promise_cli.train import TrainRequest
    from promise_cli.train.folds import train_folds

    folders = train_folds(
        TrainRequest(
            task=with_plan(named, plan),
            name=name,
            preset=preset,
            network=network,
            clicks_as_channel=clicks_as_channel or None,
            encoder=encoder,
            weights=weights,
            start_from=start_from,
            freeze=freeze,
            fields=tuple(fields or ()),
            seed=seed,
            epochs=epochs,
            learning_rate=lr,
            batch_size=batch_size,
            accumulate=accumulate,
            patches_per_case=patches_per_case,
            augmentation=augmentation,
            precision=precision,
            checkpoint_activations=checkpoint_activations or None,
            compile=compile_network or None,
            device=device,
            devices=devices,
            workers=workers,
            max_hours=max_hours,
            tensorboard=tensorboard,
            resume=resume,
            overwrite=overwrite,
            root=root,
        ),
        folds,
    )
    for folder in folders:
        files = sorted(path.name for path in folder.glob("[!.]*"))
        say(f"{folder}: {', '.join(files)}")
