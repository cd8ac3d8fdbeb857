"""The protocol of 3D Slicer's extension nnInteractive. It has one image for all clients, and no sessions.

Arrays have the axes (k, j, i). The server answers with the whole mask, packed as bits.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from promise_cli.console import warn
from promise_cli.serve.array_axes import REVERSED
from promise_cli.serve.bounded import number_triple, read_npy, truth
from promise_cli.serve.exchange import answering, bits, read_fields, read_form
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.regions import Region
from promise_cli.serve.service import Service
from promise_cli.serve.sessions import ClientSession
from promise_cli.serve.strokes import Point, deepest_in, middle_of_box, points_along

_LESION = 1


class Slicer:
    """Handlers of the requests of 3D Slicer."""

    def __init__(self, service: Service) -> None:
        """Answer requests with the networks and scans of a service."""
        self.service = service
        self._token = ""

    def routes(self) -> list[Route]:
        """Return the routes that no other protocol uses."""
        posts = {"/upload_image": self.upload_image, "/upload_segment": self.upload_segment}
        return [
            Route(path, answering(run, as_status=True), methods=["POST"])
            for path, run in posts.items()
        ]

    async def upload_image(self, request: Request) -> Response:
        """Take the voxels of the scan. Their affine is looked up among the scans of the server."""
        content, _ = await read_form(request)
        sessions = self.service.sessions
        sessions.end(self._token)
        self._token = ""
        session = sessions.begin("slicer")
        try:
            await self.service.compute(
                request, lambda: self.service.take_image(session, read_npy(content), REVERSED)
            )
        except BaseException:
            sessions.end(session.token)
            raise
        self._token = session.token
        return JSONResponse({"status": "ok"})

    async def upload_segment(self, request: Request) -> Response:
        """Take the mask of the segment that the user works on now.

        An empty segment begins a new lesion. A segment that this server has sent brings back the clicks that led to it.
        Any other segment begins a new lesion as well, because the networks cannot start from a mask.
        """
        content, _ = await read_form(request)
        session = self._session()
        marking = session.marked()

        def take() -> bool:
            shape = session.axes.shape_of(marking.scan.grid.shape)
            mask = read_npy(content)
            if mask.shape != shape:
                raise RefusalError(422, "the segment has another shape than the image")
            region = Region.of(session.axes.stored_of((mask != 0).view(np.uint8)))
            known = self.service.made_masks.clicks_of(session.scan_key, region)
            marking.set_clicks(_LESION, known or ())
            return known is not None

        if not await self.service.compute(request, take):
            warn("a segment was sent that this server has not made; the next click replaces it")
        return JSONResponse({"status": "ok"})

    async def add_point(self, request: Request) -> Response:
        """Add a click."""
        fields = await read_fields(request)
        point = number_triple(fields.get("voxel_coord"), "voxel_coord")
        return await self._add(request, fields.get("positive_click"), lambda _: [point])

    async def add_box(self, request: Request) -> Response:
        """Add a click in the middle of a box."""
        fields = await read_fields(request)
        one = number_triple(fields.get("outer_point_one"), "outer_point_one")
        two = number_triple(fields.get("outer_point_two"), "outer_point_two")
        middle = middle_of_box(one, two)
        return await self._add(request, fields.get("positive_click"), lambda _: [middle])

    async def add_scribble(self, request: Request) -> Response:
        """Add clicks along a scribble."""
        return await self._add_stroke(request, points_along)

    async def add_lasso(self, request: Request) -> Response:
        """Add a click deepest inside a lasso."""
        return await self._add_stroke(request, deepest_in)

    async def _add_stroke(
        self, request: Request, places: Callable[[NDArray[Any]], list[Point]]
    ) -> Response:
        content, form = await read_form(request)

        def points(session: ClientSession) -> Sequence[Sequence[float]]:
            mask = read_npy(content)
            if mask.shape != session.axes.shape_of(session.marked().scan.grid.shape):
                raise RefusalError(422, "the stroke has another shape than the image")
            return places(mask)

        return await self._add(request, form.get("positive_click"), points)

    async def _add(
        self,
        request: Request,
        positive: Any,
        points: Callable[[ClientSession], Sequence[Sequence[float]]],
    ) -> Response:
        """Add clicks at indices of the client's array, and answer with the whole mask."""
        session = self._session()
        marking = session.marked()
        sign = int(truth(positive, "positive_click"))

        def added() -> bytes:
            shape = marking.scan.grid.shape
            found = [session.axes.stored_index(point, shape) for point in points(session)]
            with self.service.timing(first=not marking.lesion(_LESION).clicks):
                marking.add_or_keep(_LESION, found, sign)
            clicks = marking.lesion(_LESION).clicks
            self.service.made_masks.note(session.scan_key, clicks, marking.region)
            return bits(session.axes.array_of(marking.region.whole(shape)) != 0)

        body = await self.service.compute(request, added)
        return Response(
            body, media_type="application/octet-stream", headers={"Content-Encoding": "gzip"}
        )

    def _session(self) -> ClientSession:
        if not self._token:
            raise RefusalError(409, "no image was sent; send the scan first")
        return self.service.sessions.find(self._token, "slicer")
