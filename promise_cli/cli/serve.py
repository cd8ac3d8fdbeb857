"""Arguments of `promise-serve`."""

from importlib.util import find_spec
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
    PlanName,
    Precision,
    Root,
    RunName,
    Version,
    make_app,
)
from promise_cli.errors import PromptError

serve_app = make_app()

NEEDED = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "blosc2": "blosc2",
}
"""Packages of the extra `serve`, by the name of their module."""


@serve_app.command(cls=SeveralValues)
@explains_errors
def serve(
    images: Annotated[
        Path,
        typer.Option(
            "-i",
            "--images",
            metavar="SCAN|FOLDER",
            help="A scan (NIfTI, NRRD, MetaImage, or a folder of DICOM slices), or a folder of scans.",
        ),
    ],
    model: Model = None,
    fold: AveragedFolds = None,
    name: RunName = None,
    dataset: Dataset = None,
    plan: PlanName = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Folder for saved masks.", show_default="predictions/<images>"
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address on which the server listens. Other machines can reach the server only if this is an address"
            " of this machine in the network, or 0.0.0.0 for all its addresses. A key is needed then."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port on which the server listens.")] = 1527,
    api_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Key that clients must send. Other users of this machine can see it in the list of processes; the"
            " environment variable PROMISE_API_KEY hides it.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Further name under which clients reach the server, such as that of a proxy. May be repeated.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificate in PEM format; the server then uses HTTPS."),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Private key of the certificate, in PEM format."),
    ] = None,
    spacing: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="I J K",
            help="Voxel size in mm along i, j and k for scans that a viewer sends and that are not among those of -i.",
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(help="Minutes after which a session that nobody uses ends.")
    ] = 60.0,
    max_windows: MaxWindows = None,
    tta: Mirrored = False,
    precision: Precision = None,
    device: Device = "auto",
    root: Root = None,
    _version: Version = False,
) -> None:
    """Outline lesions by clicks in a browser, 3D Slicer, napari or ITK-SNAP.

    The command starts a server on this machine and runs until Ctrl-C. Open the address that it prints in a browser, or
    enter it in the viewer. Masks that are saved in the browser go to predictions/, like those of promise-predict.
    """
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise PromptError(
            f"promise-serve needs {', '.join(missing)}; run pip install 'promise_cli[serve]'"
        )
    share_cores()
    from promise_cli.disk.plan_names import with_plan
    from promise_cli.serve.command import serve as run
    from promise_cli.serve.serve_request import ServeRequest
    from promise_cli.session.neighbours import MAX_WINDOWS

    run(
        ServeRequest(
            images=images,
            output=output,
            run_dir=model,
            folds=read_folds(fold),
            name=name,
            dataset=with_plan(dataset, plan),
            host=host,
            port=port,
            api_key=api_key,
            allowed_hosts=tuple(allow_host or ()),
            spacing=spacing,
            minutes=minutes,
            certificate=tls_cert,
            certificate_key=tls_key,
            device=device,
            precision=precision or "auto",
            max_windows=max_windows or MAX_WINDOWS,
            tta=tta,
            root=root,
        )
    )
