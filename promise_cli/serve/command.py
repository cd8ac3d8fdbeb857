"""The command promise-serve: load the networks, open the port, and answer until Ctrl-C or SIGTERM."""

import os
import socket
import sys

import uvicorn

from promise_cli.console import counted, say, warn
from promise_cli.dataset.objects import list_objects
from promise_cli.disk.workspace import open_workspace
from promise_cli.errors import PromptError
from promise_cli.network.unfinished import warn_of_unfinished
from promise_cli.predict.inputs import find_scans
from promise_cli.predict.output import check_output
from promise_cli.predict.predict_request import find_networks
from promise_cli.serve.app import make_app
from promise_cli.serve.serve_request import ServeRequest
from promise_cli.serve.service import Service

MOST_CONNECTIONS = 100
"""Largest number of connections at the same time."""
SAVE_SECONDS = 0.5
"""Seconds for which the server, when it ends, waits for a job in progress, such as a mask that is being saved."""


def serve(request: ServeRequest) -> None:
    """Answer clicks until the user ends the server.

    Raises:
        PromiseError: There is no scan or no run, the networks take no clicks, or the port cannot be used.
    """
    find_scans(request.images, 1 << 30)  # a wrong path is reported before the networks are loaded
    workspace = open_workspace(request.root)
    checkpoints = find_networks(request.as_predict_request(workspace.predictions), workspace)
    with _listen(request) as listening:
        from promise_cli.session.predictor import Predictor  # noqa: PLC0415  torch loads slowly

        predictor = Predictor.load(checkpoints, request.device, request.precision, tta=request.tta)
        if not predictor.takes_clicks:
            raise PromptError(
                f"{checkpoints[0]}: {predictor.described[0]} takes no clicks; use promise-predict"
            )
        if predictor.plan.objects:
            raise PromptError(
                f"{checkpoints[0]}: segments several objects ({list_objects(predictor.plan.objects)}), which the server"
                " cannot ask for yet; use promise-predict with --object, or Predictor from Python"
            )
        warn_of_unfinished(checkpoints)
        service = Service(request, predictor)
        firsts = {name: files[0] for name, files in service.scans.files.items()}
        check_output(service.output, request.images, firsts, same_format=False)
        _introduce(service, listening)
        _run(service, listening)
    service.worker.wait_until_idle(SAVE_SECONDS)
    say(f"promise-serve has ended; saved masks are in {service.output}")
    sys.stdout.flush()
    # A normal exit would wait for the networks, which cannot be interrupted, and for torch to be unloaded.
    os._exit(0)


def _listen(request: ServeRequest) -> socket.socket:
    """Open the port before the networks are loaded.

    Raises:
        PromptError: The port is in use, or the host is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in request.host else socket.AF_INET
    try:
        return socket.create_server((request.host.strip("[]"), request.port), family=family)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        # Python adds the address to the text of some errors.
        reason = os.strerror(number) if isinstance(number, int) and number > 0 else str(error)
        raise PromptError(
            f"{request.host}, port {request.port}: {reason}; give another port with --port, or another --host"
        ) from None


def _introduce(service: Service, listening: socket.socket) -> None:
    """Show where the server is and what it serves."""
    request, predictor = service.request, service.predictor
    scheme = "https" if request.certificate else "http"
    named = socket.gethostname() if request.host in ("0.0.0.0", "::") else request.host
    host = f"[{named}]" if ":" in named else named
    paths = ", ".join(str(path) for path in predictor.checkpoints)
    say(f"network: {paths} on {predictor.device} in {predictor.precision}")
    say(f"scans: {counted(len(service.scans.files), 'scan')} in {request.images}")
    if not request.is_local and request.certificate is None:
        warn("without --tls-cert, others in the network can read the scans and the key")
    say(f"open {scheme}://{host}:{listening.getsockname()[1]} in a browser; Ctrl-C ends the server")


def _run(service: Service, listening: socket.socket) -> None:
    request = service.request
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(service),
            http="h11",
            ws="none",
            lifespan="off",
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=0,
            ssl_certfile=request.certificate,
            ssl_keyfile=request.certificate_key,
        )
    )
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return
