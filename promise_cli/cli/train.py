"""`promise-train`: its arguments."""

from typing import Annotated

import typer

from promise_cli.cli.conduct import explains_errors, share_cores
from promise_cli.cli.options import Device, Overwrite, Root, Workers, make_app

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
    share_cores()
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
