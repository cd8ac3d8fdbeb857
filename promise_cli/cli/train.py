"""`promise-train`: its arguments."""

from typing import Annotated

import typer

from promise_cli.cli.conduct import explains_errors, share_cores
from promise_cli.cli.options import Device, Overwrite, Precision, Root, Workers, make_app

train_app = make_app()


@train_app.command()
@explains_errors
def train(
    fold: Annotated[int, typer.Option("--fold", "-f", help="Fold of splits.json, counted from 0.")],
    task: Annotated[
        str | None, typer.Argument(help="A preprocessed dataset.", show_default="the only one")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Network and recipe: recommended, paper, reference, tiny ...",
            show_default="recommended; paper for other networks",
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="promise, dynunet (nnU-Net's), swin_unetr, segresnet, ux_net or nnformer.",
            show_default="promise",
        ),
    ] = None,
    clicks_as_channel: Annotated[
        bool,
        typer.Option(
            "--clicks-as-channel",
            help="Show clicks to such a network, as Gaussians in two further channels.",
        ),
    ] = False,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="sam_vit_b, sam_vit_l, sam_vit_h, dinov2_s or tiny.", show_default="the preset's"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Pretrained weights: a file, or none.",
            show_default="the official file, downloaded where need be",
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, show_default="the preset's")] = None,
    lr: Annotated[
        float | None,
        typer.Option(min=1e-12, max=1.0, help="First learning rate.", show_default="the preset's"),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Samples at once on a device.", show_default="the preset's"),
    ] = None,
    accumulate: Annotated[
        int | None,
        typer.Option(min=1, help="Batches that make one step.", show_default="the preset's"),
    ] = None,
    patches_per_case: Annotated[
        int | None, typer.Option(min=1, help="In one epoch.", show_default="the preset's")
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A field of network or recipe (docs/method.md); may be repeated.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", "--c", help="Go on from checkpoint_last.pt.")
    ] = False,
    max_hours: Annotated[
        float | None, typer.Option(min=0.0, help="Save and leave after so long.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="Of all random draws.", show_default="42"),
    ] = None,
    device: Device = "auto",
    devices: Annotated[
        int, typer.Option(min=1, help="Devices of this machine that share each step.")
    ] = 1,
    precision: Precision = None,
    checkpoint_activations: Annotated[
        bool,
        typer.Option("--checkpoint-activations", help="Less memory for a third more time."),
    ] = False,
    compile_network: Annotated[
        bool, typer.Option("--compile", help="Fuse operations with torch.compile.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write curves for TensorBoard.")
    ] = False,
    workers: Workers = None,
    overwrite: Overwrite = False,
    root: Root = None,
) -> None:
    """Train one fold: cases -> results/<dataset>/fold_<n>."""
    share_cores()
    from promise_cli.console import say
    from promise_cli.train import TrainRequest
    from promise_cli.train import train as run

    folder = run(
        TrainRequest(
            task=task,
            fold=fold,
            preset=preset,
            network=network,
            clicks_as_channel=clicks_as_channel or None,
            encoder=encoder,
            weights=weights,
            fields=tuple(fields or ()),
            seed=seed,
            epochs=epochs,
            learning_rate=lr,
            batch_size=batch_size,
            accumulate=accumulate,
            patches_per_case=patches_per_case,
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
        )
    )
    files = sorted(path.name for path in folder.glob("[!.]*"))
    say(f"{folder}: {', '.join(files)}")
