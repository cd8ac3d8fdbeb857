"""The protocol of ITK-SNAP's deep learning extensions, in both of its versions.

Voxels are sent in the order of the file, with i running fastest. Clicks are voxels (x, y, z) = (i, j, k).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from promise_cli import __version__
from promise_cli.serve.array_axes import REVERSED
from promise_cli.serve.bounded import check_shape, gunzip, number_triple, parse_fields, truth
from promise_cli.serve.exchange import Handler, answering, base64_gzip, read_form
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.service import Service
from promise_cli.serve.sessions import ClientSession
from promise_cli.serve.strokes import Point, deepest_in, points_along

_LESION = 1
MODEL = "promise"
_DESCRIPTION = {
    "id": MODEL,
    "dimensions": 3,
    "channels": [1],
    "interactions": ["point", "scribble", "lasso"],
}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)
_MOST_POINTS = 100


class ItkSnap:
    """Handlers of the requests of ITK-SNAP."""

    def __init__(self, service: Service) -> None:
        """Answer requests with the networks and scans of a service."""
        self.service = service

    def routes(self) -> list[Route]:
        """Return all routes of the protocol."""
        general: dict[str, Handler] = {
            "/status": self.status,
            "/v2/models": self.models,
            "/start_session": self.start,
            "/v2/start_session/{model}": self.start,
        }
        of_session: dict[str, tuple[str, Handler]] = {
            "upload_raw": ("POST", self.upload),
            "process_point_interaction": ("GET", self.add_point),
            "process_scribble_interaction": ("POST", self.add_scribble),
            "process_lasso_interaction": ("POST", self.add_lasso),
            "reset_interactions": ("GET", self.reset),
            "end_session": ("GET", self.end),
        }
        return [
            *(Route(path, _answering(run), methods=["GET"]) for path, run in general.items()),
            *(
                Route(f"{version}/{path}/{{session}}", _answering(run), methods=[method])
                for version in ("", "/v2")
                for path, (method, run) in of_session.items()
            ),
        ]

    def session(self, request: Request) -> ClientSession:
        """Return the session that a request's address names.

        Raises:
            RefusalError: There is no such session, or it has ended.
        """
        return self.service.sessions.find(request.path_params["session"], "itksnap")

    async def status(self, _: Request) -> Response:
        """Say that the server runs."""
        return JSONResponse({"status": "ok", "version": __version__})

    async def models(self, _: Request) -> Response:
        """Describe the only model, so that the viewer offers the tools that can be used with it."""
        return JSONResponse({"models": [_DESCRIPTION]})

    async def start(self, request: Request) -> Response:
        """Begin a session."""
        if request.path_params.get("model", MODEL) != MODEL:
            raise RefusalError(404, f"there is no such model; use {MODEL}")
        return JSONResponse({"session_id": self.service.sessions.begin("itksnap").token})

    async def upload(self, request: Request) -> Response:
        """Take the voxels of the scan. Their affine is looked up among the scans of the server."""
        session = self.session(request)
        content, form = await read_form(request)

        def take() -> None:
            self.service.take_image(session, _read_array(content, form), REVERSED)

        await self.service.compute(request, take)
        return JSONResponse({"status": "success", "message": "the scan has arrived"})

    async def add_point(self, request: Request) -> Response:
        """Add one click (x, y, z), or the clicks of the repeated parameter `point`."""
        found = _points(request)
        return await self._add(request, lambda _: [point[::-1] for point in found])

    async def add_scribble(self, request: Request) -> Response:
        """Add clicks along a scribble."""
        return await self._add_stroke(request, points_along)

    async def add_lasso(self, request: Request) -> Response:
        """Add a click deepest inside a lasso."""
        return await self._add_stroke(request, deepest_in)

    async def reset(self, request: Request) -> Response:
        """Remove all clicks."""
        marking = self.session(request).marked()
        await self.service.compute(request, lambda: marking.set_clicks(_LESION, ()))
        return JSONResponse({"status": "success"})

    async def end(self, request: Request) -> Response:
        """End the session."""
        self.service.sessions.end(request.path_params["session"])
        return JSONResponse({"status": "success", "message": "the session has ended"})

    async def _add_stroke(
        self, request: Request, places: Callable[[NDArray[Any]], list[Point]]
    ) -> Response:
        content, form = await read_form(request)

        def points(session: ClientSession) -> Sequence[Sequence[float]]:
            mask = _read_array(content, form)
            if mask.shape != session.axes.shape_of(session.marked().scan.grid.shape):
                raise RefusalError(422, "the stroke has another shape than the scan")
            return places(mask)

        return await self._add(request, points)

    async def _add(
        self,
        request: Request,
        points: Callable[[ClientSession], Sequence[Sequence[float]]],
    ) -> Response:
        """Add clicks at indices (z, y, x) of the client's array, and answer with the whole mask.

        They are background clicks unless the address says `foreground=true`.
        """
        session = self.session(request)
        marking = session.marked()
        sign = int(truth(request.query_params.get("foreground", "false"), "foreground"))

        def added() -> str:
            shape = marking.scan.grid.shape
            found = [session.axes.stored_index(point, shape) for point in points(session)]
            with self.service.timing(first=not marking.lesion(_LESION).clicks):
                marking.add_or_keep(_LESION, found, sign)
            mask = session.axes.array_of(marking.region.whole(shape))
            return base64_gzip(mask.astype(np.int8))

        result = await self.service.compute(request, added)
        return JSONResponse({"status": "success", "result": result})


def _answering(handler: Handler) -> Handler:
    """Let a handler answer errors in a way that the clients of this protocol understand."""
    return answering(handler, also="error")


def _read_array(content: bytes, form: Mapping[str, str]) -> NDArray[np.float32]:
    """Read an array (z, y, x) of float32, which is packed with gzip. Its size is in the field `metadata`.

    Scans and strokes are both sent like this.

    Raises:
        RefusalError: The size is missing or impossible, or the data are damaged.
    """
    meta = parse_fields(form.get("metadata", "").encode())
    x, y, z = (int(n) for n in number_triple(meta.get("dimensions"), "dimensions"))
    if meta.get("components_per_pixel", 1) != 1:
        raise RefusalError(422, "the scan has several components per voxel; send one")
    needed = check_shape((z, y, x), np.dtype(np.float32))
    return np.frombuffer(gunzip(content, needed), np.float32).reshape(z, y, x)


def _points(request: Request) -> list[tuple[float, float, float]]:
    """Return the points (x, y, z) in the address of a request.

    The first version of the protocol sends `x`, `y` and `z`. The second one sends each number as a `point` of its own.
    Several numbers in one `point` are read too.

    Raises:
        RefusalError: The numbers are missing, or do not form triples, or there are too many.
    """
    query = request.query_params
    words = query.getlist("point")
    text = " ".join(words) if words else " ".join(query.get(axis, "?") for axis in "xyz")
    numbers = [float(word) for word in _NUMBER.findall(text[:100_000])]
    if not numbers or len(numbers) % 3 or len(numbers) > 3 * _MOST_POINTS or "?" in text:
        raise RefusalError(422, "a point is three numbers; send x, y and z")
    triples = zip(*[iter(numbers)] * 3, strict=True)
    return [number_triple(list(triple), "point") for triple in triples]
