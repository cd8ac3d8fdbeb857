"""Lets several clients use promise-serve at once. Some are careful, one sends garbage, and one stops during uploads.

`python -m tests.benchmarks.serve_stress` does this for minutes; a test does it for seconds.
"""

import gzip
import http.client
import json
import random
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np

Clicks = tuple[tuple[tuple[int, int, int], int], ...]
"""Voxels of a scan's file, each with its sign."""
Masks = dict[tuple[str, Clicks], np.ndarray]
"""Masks of promise-predict by scan and clicks."""
_PATHS = (
    "/", "/api/server", "/api/scans", "/api/scans/0", "/api/scans/0/voxels", "/api/sessions", "/api/sessions/x/save",
    "/api/sessions/x/lesions/1/clicks", "/v1/upload", "/upload_image", "/upload_segment", "/add_point_interaction",
    "/process_point_interaction", "/%00", "/../../etc/passwd",
)  # fmt: skip
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW")


@dataclass
class Seen:
    """What the clients have seen."""

    answers: Counter[str] = field(default_factory=Counter)
    """Answers by kind of client and status."""
    masks: int = 0
    """Masks that were compared."""
    wrong: list[str] = field(default_factory=list)
    """Masks that differ from those of promise-predict, and errors of the server."""


def stress(address: str, masks: Masks, seconds: float, careful: int = 6) -> Seen:
    """Use a server from several threads, and return what the clients have seen.

    Args:
        address: Address of the server.
        masks: Masks that the server must send: for each sequence of clicks, also the masks after each of its clicks.
        seconds: Duration.
        careful: Number of clients that click and compare. Two more clients send garbage and unfinished uploads.
    """
    seen, end = Seen(), time.monotonic() + seconds
    place = urlsplit(address)
    assert place.hostname is not None
    assert place.port is not None
    host, port = place.hostname, place.port
    clients = [
        threading.Thread(target=_careful, args=(host, port, masks, end, seed, seen))
        for seed in range(careful)
    ]
    clients += [
        threading.Thread(target=client, args=(host, port, end, seen))
        for client in (_garbage, _cut_off)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return seen


def _careful(host: str, port: int, masks: Masks, end: float, seed: int, seen: Seen) -> None:
    """Mark scans, and compare each mask. Each session is ended after its clicks."""
    rng = random.Random(seed)
    longest = [key for key in masks if not any(_begins(key, other) for other in masks)]
    connection = http.client.HTTPConnection(host, port, timeout=120)

    def ask(method: str, path: str, fields: dict[str, Any] | None = None) -> bytes:
        body = None if fields is None else json.dumps(fields)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        seen.answers[f"careful {answer.status}"] += 1
        if answer.status != 200:
            seen.wrong.append(f"{method} {path}: {answer.status} {content[:200]!r}")
            raise ConnectionError
        packed = answer.getheader("Content-Encoding") == "gzip"
        return gzip.decompress(content) if packed else content

    def compare(session: str, scan: str, clicks: Clicks) -> None:
        sent = np.frombuffer(ask("GET", f"/api/sessions/{session}/mask"), np.uint8)
        seen.masks += 1
        wanted = masks[scan, clicks] if clicks else np.zeros(sent.size, np.uint8)
        if not np.array_equal(sent, wanted.ravel()):
            seen.wrong.append(
                f"{scan}, {clicks}: {np.count_nonzero(sent != wanted.ravel())} voxels differ"
            )

    while time.monotonic() < end:
        scan, clicks = rng.choice(longest)
        with suppress(ConnectionError, http.client.HTTPException):
            begun = ask("POST", "/api/sessions", {"scan": scan, "order": "stored", "lesions": [{}]})
            session = json.loads(begun)["session"]
            lesion = f"/api/sessions/{session}/lesions/1"
            for number, (point, sign) in enumerate(clicks, 1):
                ask("POST", f"{lesion}/clicks", {"point": point, "sign": sign})
                compare(session, scan, clicks[:number])
                if time.monotonic() > end:
                    break
            else:
                ask("POST", f"{lesion}/undo", {})
                compare(session, scan, clicks[:-1])
                ask("GET", f"/api/scans/{scan}/voxels")
            ask("DELETE", f"/api/sessions/{session}")
    connection.close()


def _begins(key: tuple[str, Clicks], other: tuple[str, Clicks]) -> bool:
    return key[0] == other[0] and key != other and other[1][: len(key[1])] == key[1]


def _garbage(host: str, port: int, end: float, seen: Seen) -> None:
    """Send random bytes, as the body of a request or instead of one."""
    rng = random.Random(99)
    while time.monotonic() < end:
        noise = rng.randbytes(rng.randrange(1, 5000))
        with suppress(OSError, http.client.HTTPException):
            if rng.random() < 0.3:
                with socket.create_connection((host, port), timeout=10) as raw:
                    raw.sendall(noise + b"\r\n\r\n")
                    seen.answers[f"garbage {raw.recv(20)[9:12].decode(errors='replace')}"] += 1
                continue
            connection = http.client.HTTPConnection(host, port, timeout=60)
            kind = rng.choice(("application/json", "multipart/form-data; boundary=x", "text/plain"))
            connection.request(
                rng.choice(_METHODS), rng.choice(_PATHS), noise, {"Content-Type": kind}
            )
            answer = connection.getresponse()
            answer.read()
            connection.close()
            seen.answers[f"garbage {answer.status}"] += 1
            if answer.status >= 500:
                seen.wrong.append(f"garbage: {answer.status}")
        time.sleep(0.005)


def _cut_off(host: str, port: int, end: float, seen: Seen) -> None:
    """Begin uploads and downloads, and close the connection in the middle."""
    rng = random.Random(7)
    while time.monotonic() < end:
        path = rng.choice(
            ("/v1/upload", "/upload_image", "/upload_segment", "/api/sessions", "/start_session")
        )
        head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 10000000\r\n"
        kind = rng.choice(("application/json", "multipart/form-data; boundary=x"))
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        with suppress(OSError), socket.create_connection((host, port), timeout=10) as raw:
            raw.sendall(f"{head}Content-Type: {kind}\r\n\r\n".encode() + part)
            raw.sendall(rng.randbytes(rng.randrange(1, 3_000_000)))
            seen.answers["cut off"] += 1
        with suppress(OSError), socket.create_connection((host, port), timeout=10) as raw:
            raw.sendall(f"GET /api/scans/0/voxels HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            raw.recv(100)  # the rest of the answer is not read
        time.sleep(0.02)
