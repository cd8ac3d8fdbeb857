"""The part of the page's API that shows the server and its scans. `page_api` describes all of it."""

from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from promise_cli import __version__
from promise_cli.predictions.record import RECORD, read_record
from promise_cli.serve.array_axes import ArrayAxes
from promise_cli.serve.exchange import Handler, answering
from promise_cli.serve.open_scans import OpenScan
from promise_cli.serve.page_state import SPACES, channel_of
from promise_cli.serve.service import Service
from promise_cli.serve.voxels import axes_of, describe_scan, packed_voxels, type_of


class ScanApi:
    """Handlers of requests about the server and its scans. They change nothing."""

    def __init__(self, service: Service) -> None:
        """Answer requests with the networks and scans of a service."""
        self.service = service

    def routes(self) -> list[Route]:
        """Return all routes."""
        table: list[tuple[str, Handler]] = [
            ("/api/server", self.server),
            ("/api/scans", self.scans),
            ("/api/scans/{scan}", self.scan),
            ("/api/scans/{scan}/voxels", self.voxels),
        ]
        return [Route(path, answering(run), methods=["GET"]) for path, run in table]

    async def server(self, _: Request) -> Response:
        """Describe the server and its network."""
        service = self.service
        plan, predictor = service.predictor.plan, service.predictor
        return JSONResponse(
            {
                "version": __version__,
                "network": "; ".join(dict.fromkeys(predictor.described)),
                "dataset": plan.dataset,
                "target": plan.target_name,
                "kind": plan.modality,
                "output": str(service.output),
                "spaces": list(SPACES),
                "expected_first_seconds": service.expected_seconds(first=True),
                "expected_seconds": service.expected_seconds(first=False),
                "waiting": service.worker.waiting,
                "knows_background": predictor.knows_background,
                "open": list(service.scans.open_names),
            }
        )

    async def scans(self, _: Request) -> Response:
        """List the scans."""
        record = (
            read_record(self.service.output) if (self.service.output / RECORD).exists() else None
        )
        saved = {case.case_id for case in record.cases} if record else set()
        names = enumerate(self.service.scans.files)
        rows = [{"index": index, "name": name, "saved": name in saved} for index, name in names]
        return JSONResponse({"scans": rows})

    async def scan(self, request: Request) -> Response:
        """Describe a scan."""
        name = self.service.scans.name_of(request.path_params["scan"])
        order, channel = request.query_params.get("order", "ras"), channel_of(request)

        def described() -> dict[str, Any]:
            return describe_scan(self.service.scans.open(name), order, channel)

        return JSONResponse(await self.service.compute(request, described))

    async def voxels(self, request: Request) -> Response:
        """Send the voxels of a scan."""
        name = self.service.scans.name_of(request.path_params["scan"])
        query = request.query_params
        order, wanted, channel = (
            query.get("order", "ras"),
            query.get("type", "auto"),
            channel_of(request),
        )

        def opened() -> tuple[OpenScan, ArrayAxes, np.dtype[Any]]:
            scan = self.service.scans.open(name)
            return scan, axes_of(order, scan.grid), type_of(scan.channel(channel), wanted)

        scan, axes, dtype = await self.service.compute(request, opened)
        headers = {
            "Content-Encoding": "gzip",
            "X-Type": dtype.name,
            "X-Shape": ",".join(map(str, axes.shape_of(scan.grid.shape))),
        }
        return StreamingResponse(
            packed_voxels(scan, axes, dtype, channel),
            media_type="application/octet-stream",
            headers=headers,
        )
