"""Puts all protocols and the page on one port, behind the guard."""

from importlib.resources import files

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from promise_cli.serve.exchange import Handler, answering
from promise_cli.serve.guard import SCRIPTS, Guard
from promise_cli.serve.itksnap import ItkSnap
from promise_cli.serve.nninteractive import LEASE, NnInteractive, leased
from promise_cli.serve.page_api import PageApi
from promise_cli.serve.scan_api import ScanApi
from promise_cli.serve.service import Service
from promise_cli.serve.slicer import Slicer

PAGE = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript") for name in SCRIPTS},
}
"""File and media type of each part of the page, by path. The files lie in the folder `page` of this package."""


def make_app(service: Service) -> ASGIApp:
    """Return the ASGI application of a server, with the guard in front of it."""
    nninteractive, slicer = NnInteractive(service), Slicer(service)
    routes = [
        *(Route(path, _file(*kind), methods=["GET"]) for path, kind in PAGE.items()),
        *ScanApi(service).routes(),
        *PageApi(service).routes(),
        *nninteractive.routes(),
        *slicer.routes(),
        *ItkSnap(service).routes(),
    ]
    shared = {
        "point": (leased(nninteractive.add_point), slicer.add_point),
        "bbox": (leased(nninteractive.add_box), slicer.add_box),
        "scribble": (leased(nninteractive.add_scribble), slicer.add_scribble),
        "lasso": (leased(nninteractive.add_lasso), slicer.add_lasso),
    }
    routes += [
        Route(f"/add_{name}_interaction", _either(*handlers), methods=["POST"])
        for name, handlers in shared.items()
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _unknown})
    app.router.redirect_slashes = False
    return Guard(app, service.request)


def _file(name: str, kind: str) -> Handler:
    async def send(_: Request) -> Response:
        content = files("promise_cli.serve").joinpath("page", name).read_bytes()
        return Response(content, media_type=kind)

    return send


def _either(with_lease: Handler, single: Handler) -> Handler:
    """Return the handler of an address that two protocols use.

    A request with a lease comes from a client of nnInteractive and goes to `with_lease`. Any other request goes to
    `single`, the handler of 3D Slicer's protocol.
    """
    without = answering(single, as_status=True)

    async def handle(request: Request) -> Response:
        return await (with_lease if LEASE in request.headers else without)(request)

    return handle


async def _unknown(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": str(error.detail)}, error.status_code)
