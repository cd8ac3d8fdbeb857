"""The API of the page in the browser. Bodies and answers are JSON unless something else is said.

Errors are answered with a status from 400 to 503 and `{"detail": reason}`. With a key, every request carries the header
`Authorization: Bearer KEY`.

`GET /api/server`
    `version`, `network`, `dataset`, `target`, `kind` (CT or MR), `output` (folder of saved masks), `spaces`,
    `expected_first_seconds` (duration of the first click on a lesion) and `expected_seconds` (of a further click), each
    null until such a click was made, `waiting` (number of jobs that wait or are being computed), `knows_background`
    (whether background clicks have an effect), `open` (names of scans in memory).
`GET /api/scans`
    `{"scans": [{"index": 0, "name": ..., "saved": false}, ...]}`. Requests name a scan by its name or its index.
`GET /api/scans/{scan}?order=ras&channel=1`
    `name`, `order`, `shape`, `spacing` (mm), `affine` (4 x 4, RAS mm), `orientation` (such as RAS), `stored` (`shape`
    and `affine` of the file), `kind` (name of the channel, such as CT or T2), `range` and `percentiles` of intensities,
    `type` of the voxels, `voxel_ml`, `channels` (names of all channels), `notes` (what looks odd). All but `stored`
    are in the axes of `order`: `ras` (closest to right, anterior, superior) or `stored`.
`GET /api/scans/{scan}/voxels?order=ras&type=auto&channel=1`
    The voxels of a channel, little-endian, first axis fastest, with `Content-Encoding: gzip`. `type` is `auto`, `int16`
    or `float32`; the header `X-Type` says which one was sent, `X-Shape` gives the shape.
`POST /api/sessions` `{"scan": name, "order": "ras", "lesions": [{"lesion", "name", "colour", "clicks"}]}`
    Begin a session on a scan, with lesions of an earlier session if they are given. Each field of a lesion may be
    missing. The answer is a *change*.
`GET /api/sessions/{session}`, `DELETE /api/sessions/{session}`
    Return the state of the session, or end the session and free its memory.
`POST /api/sessions/{session}/lesions` `{"name": "", "colour": "#ff8800"}`
    Add a lesion. The answer is a state whose `lesion` is the value of the new lesion.
`PATCH` and `DELETE /api/sessions/{session}/lesions/{lesion}`
    Change `name` or `colour`, or remove the lesion. The answer is a *change*.
`POST /api/sessions/{session}/lesions/{lesion}/clicks` `{"point": [a, b, c], "space": "voxel", "sign": 1}`
    Add a click on the lesion (sign 1) or on the background (0). `space` is `voxel` (index in the axes of the
    session's order), `RAS` or `LPS`. The answer is a change.
`POST .../lesions/{lesion}/undo`, `POST .../lesions/{lesion}/clear`
    Remove the last click, or all clicks. The answer is a change.
`GET /api/sessions/{session}/mask?lesion=1`
    The whole mask of a lesion: one bit for each voxel, C order, first voxel in the highest bit (numpy.packbits), with
    `Content-Encoding: gzip`. Without `lesion`: one byte for each voxel, the value of its lesion.
`POST /api/sessions/{session}/save` `{"overwrite": false}`
    Write the mask and the clicks as promise-predict does. The answer has `files`, `ml` and `lesions` with their `ml`.

A state is `{"session", "scan", "order", "shape", "lesions", "questions", "expected_first_seconds",
"expected_seconds"}`. Each of its lesions is `{"lesion", "name", "colour", "clicks": [{"point", "sign"}], "ml",
"longest_mm"}`. Points are indices in the axes of `order`.

A change is a state with `changed`: null, or `{"box": [[low, high] x 3], "values": base64(gzip(bytes))}`. The bytes are
the values of the lesions in the box, C order; 0 is background. `high` is the first index after the box.
"""

import gzip
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import numpy as np
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from promise_cli.errors import PromiseError
from promise_cli.serve.exchange import Handler, answering, bits, read_fields
from promise_cli.serve.marking import MOST_LESIONS, Marking
from promise_cli.serve.page_state import (
    describe,
    describe_change,
    lesion_number,
    look_of,
    point_of,
    sign_of,
    value_of,
)
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.regions import Box
from promise_cli.serve.save import save
from promise_cli.serve.service import Service
from promise_cli.serve.sessions import ClientSession
from promise_cli.serve.voxels import axes_of


class PageApi:
    """Handlers of the API that the module describes."""

    def __init__(self, service: Service) -> None:
        """Answer requests with the networks and scans of a service."""
        self.service = service

    def routes(self) -> list[Route]:
        """Return all routes."""
        session, lesion = "/api/sessions/{session}", "/api/sessions/{session}/lesions/{lesion}"
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/api/sessions", self.begin),
            ("GET", session, self.state),
            ("DELETE", session, self.end),
            ("GET", f"{session}/mask", self.mask),
            ("POST", f"{session}/save", self.save),
            ("POST", f"{session}/lesions", self.add_lesion),
            ("PATCH", lesion, self.change_look),
            ("DELETE", lesion, self.remove),
            ("POST", f"{lesion}/clicks", self.add_click),
            ("POST", f"{lesion}/undo", self.undo),
            ("POST", f"{lesion}/clear", self.clear),
        ]
        return [Route(path, answering(run), methods=[method]) for method, path, run in table]

    async def begin(self, request: Request) -> Response:
        """Begin a session."""
        fields = await read_fields(request)
        name = self.service.scans.name_of(str(fields.get("scan", "")))
        order, given = fields.get("order", "ras"), fields.get("lesions", [])
        if not isinstance(given, list) or len(given) > MOST_LESIONS:
            raise RefusalError(422, f"lesions: a list of at most {MOST_LESIONS} lesions is needed")
        session = self.service.sessions.begin("page")
        session.order = str(order)

        def opened() -> dict[str, Any]:
            marking = session.marking = self.service.mark(name)
            session.axes = axes_of(session.order, marking.scan.grid)
            for lesion in given:
                self._restore(session, marking, lesion)
            change = describe_change(session, marking.update())
            return self._state(session) | change

        try:
            state = await self.service.compute(request, opened)
            return JSONResponse(state, background=BackgroundTask(self._prepare, session))
        except BaseException:
            self.service.sessions.end(session.token)
            raise

    async def _prepare(self, session: ClientSession) -> None:
        """Prepare the scan of a session for its first click. If that fails, the first click answers with the reason."""

        def prepared() -> None:
            scan = session.marked().scan  # read again if it was closed in the meantime
            scan.prepare()

        with suppress(PromiseError, MemoryError):
            await self.service.worker.run(prepared)

    def _restore(self, session: ClientSession, marking: Marking, given: Any) -> None:
        """Add a lesion of an earlier session, with its clicks."""
        if not isinstance(given, dict) or not isinstance(given.get("clicks", []), list):
            raise RefusalError(422, "lesions: each is an object with name, colour and clicks")
        value = marking.add_lesion(*look_of(given, "", ""), value=value_of(given))
        for click in given.get("clicks", []):
            if not isinstance(click, dict):
                raise RefusalError(422, "clicks: each is an object with point and sign")
            point, sign = point_of(session, marking, click), sign_of(click)
            marking.add_clicks(value, [point], sign, predict=False)

    async def state(self, request: Request) -> Response:
        """Answer with the state of a session."""
        session = self._session(request)
        return JSONResponse(await self.service.compute(request, lambda: self._state(session)))

    async def end(self, request: Request) -> Response:
        """End a session."""
        self.service.sessions.end(request.path_params["session"])
        return JSONResponse({})

    async def add_lesion(self, request: Request) -> Response:
        """Add a lesion."""
        session = self._session(request)
        name, colour = look_of(await read_fields(request), "", "")

        def added() -> dict[str, Any]:
            value = session.marked().add_lesion(name, colour)
            return self._state(session) | {"lesion": value}

        return JSONResponse(await self.service.compute(request, added))

    async def change_look(self, request: Request) -> Response:
        """Change the name or colour of a lesion."""
        name, colour = look_of(await read_fields(request), None, None)
        return await self._change(
            request, lambda marking, value: marking.change_look(value, name, colour)
        )

    async def remove(self, request: Request) -> Response:
        """Remove a lesion."""
        return await self._change(request, Marking.remove_lesion)

    async def add_click(self, request: Request) -> Response:
        """Add a click."""
        session, fields = self._session(request), await read_fields(request)
        sign = sign_of(fields)

        def added(marking: Marking, value: int) -> Box | None:
            return marking.add_clicks(value, [point_of(session, marking, fields)], sign)

        return await self._change(request, added, is_click=True)

    async def undo(self, request: Request) -> Response:
        """Remove the last click."""
        return await self._change(request, Marking.undo)

    async def clear(self, request: Request) -> Response:
        """Remove all clicks."""
        return await self._change(request, lambda marking, value: marking.set_clicks(value, ()))

    async def mask(self, request: Request) -> Response:
        """Send the whole mask."""
        session = self._session(request)
        marking, given = session.marked(), request.query_params.get("lesion")

        def packed() -> bytes:
            whole = session.axes.array_of(marking.region.whole(marking.scan.grid.shape))
            if given is None:
                return gzip.compress(np.ascontiguousarray(whole).tobytes(), 1)
            return bits(whole == marking.lesion(lesion_number(given)).lesion.value)

        body = await self.service.compute(request, packed)
        headers = {"Content-Encoding": "gzip"}
        return Response(body, media_type="application/octet-stream", headers=headers)

    async def save(self, request: Request) -> Response:
        """Write the mask and the clicks."""
        session, fields = self._session(request), await read_fields(request)
        overwrite = fields.get("overwrite", False) is True
        marking = session.marked()
        return JSONResponse(
            await self.service.compute(request, lambda: save(self.service, marking, overwrite))
        )

    async def _change(
        self,
        request: Request,
        change: Callable[[Marking, int], Box | None],
        *,
        is_click: bool = False,
    ) -> Response:
        """Change a lesion, and answer with the state and what has changed in the mask."""
        session = self._session(request)
        marking, value = session.marked(), lesion_number(request.path_params["lesion"])

        def changed() -> dict[str, Any]:
            is_first = not marking.lesion(value).clicks
            with self.service.timing(first=is_first) if is_click else nullcontext():
                box = change(marking, value)
            return self._state(session) | describe_change(session, box)

        return JSONResponse(await self.service.compute(request, changed))

    def _state(self, session: ClientSession) -> dict[str, Any]:
        expected = {
            "expected_first_seconds": self.service.expected_seconds(first=True),
            "expected_seconds": self.service.expected_seconds(first=False),
        }
        return describe(session, expected)

    def _session(self, request: Request) -> ClientSession:
        return self.service.sessions.find(request.path_params["session"], "page")
