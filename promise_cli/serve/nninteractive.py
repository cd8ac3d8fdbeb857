"""The remote protocol of nnInteractive, which napari and other viewers use.

Only points are taken as they are. A box counts as a click in its middle, a lasso as a click deepest inside, and a
scribble as clicks along it. A segmentation to start from is taken if this server has made it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from promise_cli.errors import shown
from promise_cli.serve.array_axes import REVERSED
from promise_cli.serve.bounded import number_triple, truth
from promise_cli.serve.exchange import Handler, answering, read_body, read_fields
from promise_cli.serve.nninteractive_fields import (
    CAPABILITIES,
    NO_ANSWER,
    Answer,
    changes,
    is_pair,
    meta_of,
    packed,
    spacing_of,
    stroke_box,
)
from promise_cli.serve.packed import DTYPES, unpack
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.regions import NOTHING, Region
from promise_cli.serve.service import Service
from promise_cli.serve.sessions import ClientSession
from promise_cli.serve.strokes import Point, deepest_in, middle_of_box, points_along

LEASE = "X-Lease-Token"
_LESION = 1
_SHOWN = 503
"""Status of a full server. With any other status, napari shows no reason for a refusal."""


def leased(handler: Handler) -> Handler:
    """Let a handler answer in a way that the clients of this protocol understand."""
    return answering(handler, refused=_SHOWN)


class NnInteractive:
    """Handlers of the requests of nnInteractive's clients."""

    def __init__(self, service: Service) -> None:
        """Answer requests with the networks and scans of a service."""
        self.service = service

    def routes(self) -> list[Route]:
        """Return the routes that no other protocol uses."""
        posts = {
            "/claim": self.claim, "/set_image": self.set_image, "/set_target_buffer": self.set_buffer,
            "/add_initial_seg_interaction": self.add_initial, "/undo": self.undo, "/predict": self.predict,
            "/reset_interactions": self.reset, "/set_do_autozoom": self.set_autozoom, "/heartbeat": self.heartbeat,
            "/release": self.release,
        }  # fmt: skip
        gets = {
            "/healthz": self.health, "/capabilities": self.capabilities, "/lease_status": self.lease_status,
        }  # fmt: skip
        return [
            *(Route(path, leased(run), methods=["POST"]) for path, run in posts.items()),
            *(Route(path, leased(run), methods=["GET"]) for path, run in gets.items()),
        ]

    def session(self, request: Request, *, is_use: bool = True) -> ClientSession:
        """Return the session that a request's lease belongs to.

        Raises:
            RefusalError: The lease has ended, or there is none.
        """
        token = request.headers.get(LEASE, "")
        return self.service.sessions.find(token, "nninteractive", is_use=is_use)

    async def health(self, _: Request) -> Response:
        """Say that the server runs."""
        return JSONResponse({"status": "ok"})

    async def claim(self, _: Request) -> Response:
        """Begin a session."""
        session = self.service.sessions.begin("nninteractive")
        seconds = self.service.sessions.seconds
        return JSONResponse(
            {
                "lease_token": session.token,
                "idle_timeout_seconds": seconds,
                "liveness_timeout_seconds": seconds,
            }
        )

    async def capabilities(self, _: Request) -> Response:
        """Say what the networks can do."""
        return JSONResponse(CAPABILITIES)

    async def set_image(self, request: Request) -> Response:
        """Take the voxels of the scan. Their affine is looked up among the scans of the server."""
        session = self.session(request)
        spacing = spacing_of(meta_of(request).get("image_properties"))
        body = await read_body(request)

        def take() -> list[int]:
            array = unpack(body, (4,))
            self.service.take_image(session, array[0], REVERSED, spacing)
            session.sent, session.steps = NOTHING, []
            return list(array.shape)

        return JSONResponse({"original_image_shape": await self.service.compute(request, take)})

    async def set_buffer(self, request: Request) -> Response:
        """Note the type of the mask that the client fills.

        The client's mask is still empty, so the next answer holds the whole lesion.
        """
        session = self.session(request)
        fields = await read_fields(request)
        dtype = str(fields.get("dtype", "uint8")).removeprefix("torch.")
        if dtype not in DTYPES:
            raise RefusalError(
                422, f"dtype: {shown(dtype)} is unknown; use one of {', '.join(DTYPES)}"
            )
        marking = session.marked()
        grid = await self.service.compute(request, lambda: marking.scan.grid)
        shape = fields.get("shape", list(session.axes.shape_of(grid.shape)))
        if shape != list(session.axes.shape_of(grid.shape)):
            raise RefusalError(422, f"shape: {shown(shape)} is not that of the image")
        session.dtype, session.sent, session.is_unsure = np.dtype(dtype), NOTHING, False
        return JSONResponse({})

    async def add_point(self, request: Request) -> Response:
        """Add a click."""
        fields = await read_fields(request)
        point = number_triple(fields.get("coordinates"), "coordinates")
        return await self._add(request, fields, lambda session: [self._stored(session, point)])

    async def add_box(self, request: Request) -> Response:
        """Add a click in the middle of a box."""
        fields = await read_fields(request)
        box = fields.get("bbox_coords")
        if not isinstance(box, list) or len(box) != 3 or not all(is_pair(span) for span in box):
            raise RefusalError(422, "bbox_coords: three pairs of numbers are needed")
        lower = [float(span[0]) for span in box]
        upper = [max(float(span[0]), float(span[1]) - 1) for span in box]
        middle = middle_of_box(number_triple(lower, "bbox"), number_triple(upper, "bbox"))
        return await self._add(request, fields, lambda session: [self._stored(session, middle)])

    async def add_scribble(self, request: Request) -> Response:
        """Add clicks along a scribble."""
        return await self._add_stroke(request, points_along)

    async def add_lasso(self, request: Request) -> Response:
        """Add a click deepest inside a lasso."""
        return await self._add_stroke(request, deepest_in)

    async def add_initial(self, request: Request) -> Response:
        """Continue from a segmentation that this server has made. Clients ask for this after their session has ended.

        The client has already filled its mask with the segmentation. If the segmentation is refused, the next answer
        therefore holds the mask of the whole scan.
        """
        session = self.session(request)
        session.is_unsure = True
        marking = session.marked()
        body = await read_body(request)

        def taken() -> Answer:
            mask = unpack(body, (3,))
            if mask.shape != session.axes.shape_of(marking.scan.grid.shape):
                raise RefusalError(422, "the segmentation has another shape than the image")
            region = Region.of(session.axes.stored_of((mask != 0).view(np.uint8)))
            clicks = self.service.made_masks.clicks_of(session.scan_key, region)
            if clicks is None:
                raise RefusalError(
                    422, "the network cannot start from a segmentation that this server has not made; remove its"
                    " layer, and click on the target"
                )  # fmt: skip
            marking.set_clicks(_LESION, clicks)
            session.steps = [1] * len(clicks)
            session.sent, session.is_unsure = region, False
            return changes(session)

        return packed(await self.service.compute(request, taken))

    async def undo(self, request: Request) -> Response:
        """Remove the last interaction."""
        session = self.session(request)

        def undone() -> Answer:
            if not session.steps:
                return NO_ANSWER
            session.marked().undo(_LESION, session.steps[-1])
            session.steps.pop()
            return changes(session)

        return packed(await self.service.compute(request, undone))

    async def predict(self, request: Request) -> Response:
        """Compute the mask of interactions that were added without computing it."""
        session = self.session(request)
        marking = session.marked()

        def predicted() -> Answer:
            marking.update()
            return self._made(session)

        return packed(await self.service.compute(request, predicted))

    async def reset(self, request: Request) -> Response:
        """Remove all clicks. The client empties its mask itself, and may ask for this before it has sent an image."""
        session = self.session(request)

        def reset() -> None:
            if session.marking is not None:
                session.marking.set_clicks(_LESION, ())
            session.steps, session.sent, session.is_unsure = [], NOTHING, False

        await self.service.compute(request, reset)
        return JSONResponse({})

    async def set_autozoom(self, request: Request) -> Response:
        """Accept the setting and ignore it, because a lesion is followed beyond its window anyway."""
        self.session(request)
        return JSONResponse({})

    async def heartbeat(self, request: Request) -> Response:
        """Extend the lease, and say how long it lasts. The client asks for this as long as its program is open."""
        self.session(request)
        return await self.lease_status(request)

    async def lease_status(self, request: Request) -> Response:
        """Say how long the lease lasts, without extending it."""
        sessions = self.service.sessions
        token = self.session(request, is_use=False).token
        return JSONResponse(
            {
                "remaining_seconds": sessions.remaining(token),
                "idle_timeout_seconds": sessions.seconds,
            }
        )

    async def release(self, request: Request) -> Response:
        """End the session."""
        self.service.sessions.end(request.headers.get(LEASE, ""))
        return JSONResponse({})

    async def _add_stroke(
        self, request: Request, places: Callable[[NDArray[Any]], list[Point]]
    ) -> Response:
        meta = meta_of(request)
        body = await read_body(request)

        def points(session: ClientSession) -> list[Sequence[float]]:
            array = unpack(body, (3,))
            shape = session.axes.shape_of(session.marked().scan.grid.shape)
            box = stroke_box(meta.get("interaction_bbox"), shape)
            if array.shape not in (shape, tuple(high - low for low, high in box)):
                raise RefusalError(422, "the stroke has another shape than the image and its box")
            start = [low for low, _ in box] if array.shape != shape else [0, 0, 0]
            found = places(array)
            return [self._stored(session, np.add(start, point).tolist()) for point in found]

        return await self._add(request, meta, points)

    async def _add(
        self,
        request: Request,
        fields: dict[str, Any],
        points: Callable[[ClientSession], list[Sequence[float]]],
    ) -> Response:
        """Add the clicks of one interaction, and answer with the changed part of the mask."""
        session = self.session(request)
        marking = session.marked()
        sign = int(truth(fields.get("include_interaction", True), "include_interaction"))
        predict = truth(fields.get("run_prediction", True), "run_prediction")

        def added() -> Answer:
            found = points(session)
            with self.service.timing(first=not marking.lesion(_LESION).clicks):
                ready = marking.add_or_keep(_LESION, found, sign, predict=predict)
            session.steps.append(len(found))
            return self._made(session) if ready else NO_ANSWER

        return packed(await self.service.compute(request, added))

    def _made(self, session: ClientSession) -> Answer:
        """Note the mask of all clicks, and return what has changed in it."""
        marking = session.marked()
        clicks = marking.lesion(_LESION).clicks
        self.service.made_masks.note(session.scan_key, clicks, marking.region)
        return changes(session)

    def _stored(self, session: ClientSession, point: Sequence[float]) -> Sequence[float]:
        """Convert an index into the client's array to a voxel of the scan's file."""
        return session.axes.stored_index(point, session.marked().scan.grid.shape)
