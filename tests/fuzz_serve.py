"""Damages requests to promise-serve. Each must end in a result or a refusal, and good requests must still work.

`python -m tests.benchmarks.serve_requests 10000` does this many times; a test does it a few hundred times.
"""

import gzip
import io
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from promise_cli.serve.app import make_app
from promise_cli.serve.packed import pack
from promise_cli.serve.service import Service

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1e300, -0.5, 2**63, 10**40, "", "x", "../../etc/passwd", "\0", [], [1], [1, 2, 3], [[0, 1]] * 3,
    [1e9, 0, 0], {}, {"a": {}}, [[[]]], "stored", "voxel", 255, 256, "#12345g", "true", [None] * 3,
)  # fmt: skip
"""Values that replace a field."""


@dataclass
class Call:
    """A request before it is damaged."""

    method: str
    path: str
    fields: dict[str, Any] | None = None
    body: bytes = b""
    file: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


class Calls:
    """Good requests of all protocols, for sessions that exist."""

    def __init__(self, service: Service, voxels: np.ndarray, scan: str) -> None:
        self.service, self.voxels, self.scan = service, voxels, scan
        self.client = TestClient(make_app(service), base_url="http://localhost")
        self.begin()

    def begin(self) -> None:
        """Begin one session of each protocol."""
        post, get = self.client.post, self.client.get
        self.page = post("/api/sessions", json={"scan": self.scan, "lesions": [{}]}).json()[
            "session"
        ]
        self.lease = {"X-Lease-Token": post("/claim").json()["lease_token"]}
        self.itk = get("/start_session").json()["session_id"]
        for call in (self.image(), self.upload(), self.raw()):
            assert self.send(call).status_code == 200

    def image(self) -> Call:
        meta = {"image_properties": {"spacing": [1, 1, 1]}}
        body = pack(self.voxels[None].astype(np.float32))
        return Call("POST", "/set_image", meta, body, headers=self.lease)

    def upload(self) -> Call:
        return Call("POST", "/upload_image", {}, file=npy(self.voxels.T))

    def raw(self) -> Call:
        meta = {
            "metadata": json.dumps(
                {"dimensions": list(self.voxels.shape), "components_per_pixel": 1}
            )
        }
        packed = gzip.compress(self.voxels.astype(np.float32).tobytes(order="F"), 1)
        return Call("POST", f"/upload_raw/{self.itk}", meta, file=packed)

    def all(self) -> list[Call]:
        """Return one request of each kind."""
        page, itk, lease = f"/api/sessions/{self.page}", self.itk, self.lease
        lesion = f"{page}/lesions/1"
        stroke = np.zeros(self.voxels.shape, np.uint8)
        stroke[10:14, 12, 9] = 1
        mask = npy(stroke.T)
        raw_mask = gzip.compress(stroke.astype(np.float32).tobytes(order="F"))
        stroke_meta = {
            "metadata": json.dumps({"dimensions": list(stroke.shape), "components_per_pixel": 1})
        }
        meta = {"include_interaction": True, "run_prediction": True, "interaction_bbox": None}
        point = {"coordinates": [13, 12, 9], "include_interaction": True, "run_prediction": True}
        box = {"bbox_coords": [[10, 15], [10, 15], [9, 10]], "include_interaction": True}
        voxel = {"voxel_coord": [9, 12, 13], "positive_click": True}
        corners = {
            "outer_point_one": [9, 10, 10],
            "outer_point_two": [9, 14, 14],
            "positive_click": True,
        }
        xyz = {"x": "13", "y": "12", "z": "9", "foreground": "true"}
        lesions = {"name": "a", "colour": "#ff0000", "clicks": [{"point": [13, 12, 9], "sign": 1}]}
        buffer = {"shape": list(self.voxels.shape), "dtype": "uint8"}
        return [
            Call("GET", "/api/scans"), Call("GET", f"/api/scans/{self.scan}", query={"order": "ras"}),
            Call("GET", f"/api/scans/{self.scan}/voxels", query={"order": "ras", "type": "int16"}),
            Call("POST", "/api/sessions", {"scan": self.scan, "order": "ras", "lesions": [lesions]}),
            Call("POST", f"{lesion}/clicks", {"point": [13, 12, 9], "sign": 1, "space": "voxel"}),
            Call("POST", f"{lesion}/undo", {}), Call("POST", f"{lesion}/clear", {}), Call("GET", page),
            Call("PATCH", lesion, {"name": "b", "colour": "#00ff00"}), Call("POST", f"{page}/lesions", {"name": "c"}),
            Call("GET", f"{page}/mask", query={"lesion": "1"}), Call("POST", f"{page}/save", {"overwrite": False}),
            self.image(), Call("POST", "/set_target_buffer", buffer, headers=lease),
            Call("POST", "/add_point_interaction", point, headers=lease),
            Call("POST", "/add_bbox_interaction", box, headers=lease),
            Call("POST", "/add_scribble_interaction", meta, pack(stroke), headers=lease),
            Call("POST", "/add_lasso_interaction", meta, pack(stroke), headers=lease),
            Call("POST", "/add_initial_seg_interaction", {"run_prediction": False}, pack(stroke), headers=lease),
            Call("POST", "/undo", {}, headers=lease), Call("POST", "/predict", {}, headers=lease),
            Call("POST", "/reset_interactions", {}, headers=lease), Call("POST", "/heartbeat", {}, headers=lease),
            self.upload(), Call("POST", "/upload_segment", {}, file=gzip.compress(mask)),
            Call("POST", "/add_point_interaction", voxel), Call("POST", "/add_bbox_interaction", corners),
            Call("POST", "/add_scribble_interaction", {"positive_click": "true"}, file=gzip.compress(mask)),
            Call("POST", "/add_lasso_interaction", {"positive_click": "true"}, file=gzip.compress(mask)),
            self.raw(), Call("GET", f"/process_point_interaction/{itk}", query=xyz),
            Call("GET", f"/v2/process_point_interaction/{itk}", query={"point": "13,12,9", "foreground": "true"}),
            Call(
                "POST", f"/process_scribble_interaction/{itk}", stroke_meta, query={"foreground": "true"}, file=raw_mask
            ),
            Call("GET", f"/reset_interactions/{itk}"), Call("GET", "/status"), Call("GET", "/capabilities"),
        ]  # fmt: skip

    def send(self, call: Call) -> Any:
        """Send a request as its client would: a packed body with X-Meta, a form with a file, or JSON."""
        headers, options = dict(call.headers), {}
        if call.file is not None:
            form = {name: str(value) for name, value in (call.fields or {}).items()}
            options = {"files": {"file": ("f", call.file)}, "data": form}
        elif call.body and call.fields is not None:
            headers["X-Meta"] = json.dumps(call.fields)
            options = {"content": call.body}
        elif call.fields is not None or call.body:
            options = {"content": call.body or json.dumps(call.fields).encode()}
        return self.client.request(
            call.method,
            call.path,
            headers=headers,
            params=call.query,
            follow_redirects=False,
            **options,
        )


def damage(call: Call, rng: random.Random) -> Call:
    """Change one part of a request: a field, some bytes, a part of the address, or a header."""
    kinds = ["path", "headers", "query"] + ["fields"] * 3 * bool(call.fields)
    kinds += ["bytes"] * 3 * bool(call.body or call.file) + ["json"] * (call.fields is not None)
    kind = rng.choice(kinds)
    if kind == "fields":
        assert call.fields
        call.fields = _odd_field(call.fields, rng)
    elif kind == "bytes":
        if call.file is not None:
            call.file = spoil(call.file, rng)
        else:
            call.body = spoil(call.body, rng)
    elif kind == "json" and call.file is None and not call.body:
        call.body = spoil(json.dumps(call.fields).encode(), rng)
        call.fields = None
    elif kind == "path":
        parts = call.path.split("/")
        parts[rng.randrange(1, len(parts))] = rng.choice(
            ("", "x", "..", "%2e%2e", "0", "99999999999999999999", "%00", "ball_002", "\u0662")
        )
        call.path = "/".join(parts)
    elif kind == "query":
        name = rng.choice([*call.query, "order", "lesion", "point"])
        call.query = {**call.query, name: str(rng.choice(ODD))}
    else:
        name = rng.choice(["X-Meta", "X-Lease-Token", "Content-Type", "Content-Length", "Range"])
        call.headers = {
            **call.headers,
            name: rng.choice(("", "x", "[1", "{}", "-1", "1e9", "a" * 5000)),
        }
    return call


def _odd_field(fields: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    changed = json.loads(json.dumps(fields))
    inside = changed
    while True:
        name = rng.choice(list(inside)) if isinstance(inside, dict) else rng.randrange(len(inside))
        child = inside[name]
        if not isinstance(child, dict | list) or not child or rng.random() < 0.4:
            inside[name] = rng.choice(ODD)
            return changed
        inside = child


def spoil(content: bytes, rng: random.Random) -> bytes:
    """Flip, cut or insert some bytes, most often near the beginning, where headers lie."""
    out = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        near = rng.randrange(min(len(out), 160) if rng.random() < 0.7 else len(out)) if out else 0
        kind = rng.random()
        if kind < 0.6 and out:
            out[near] = rng.randrange(256)
        elif kind < 0.8:
            del out[near : near + rng.randint(1, 40)]
        elif kind < 0.9:
            out[near:near] = rng.randbytes(rng.randint(1, 40))
        else:
            del out[near:]
    return bytes(out)


def fuzz(calls: Calls, number: int, seed: int) -> Counter[int]:
    """Send damaged requests and count the answers by their status.

    Raises:
        AssertionError: An answer is neither a result nor a refusal, or a good request fails afterwards.
    """
    rng, counts = random.Random(seed), Counter[int]()
    for count in range(number):
        call = damage(rng.choice(calls.all()), rng)
        done = calls.send(call)
        counts[done.status_code] += 1
        # Clients of nnInteractive show the reason of a refusal only with the status of a full server.
        refused = done.status_code == 503 and "X-Lease-Token" in call.headers
        assert refused or 200 <= done.status_code < 500, (
            call.method,
            call.path,
            call.fields,
            done.text,
        )
        if done.status_code == 410 or count % 25 == 24:
            for token in calls.service.sessions.tokens():  # damaged requests begin many sessions
                calls.service.sessions.end(token)
            calls.begin()
    return counts
