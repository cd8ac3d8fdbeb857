"""Clients that send or read byte by byte, over real sockets: they end, and others are answered meanwhile."""

import asyncio
import json
import select
import socket
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from promise_cli.serve import connections
from promise_cli.serve.connections import make_server
from promise_cli.serve.serve_request import ServeRequest
from promise_cli.serve.service import Service
from tests.test_serve.conftest import listening

MOST = 5
"""Connections at the same time."""
REQUEST = ServeRequest(images=Path("imgs"))
SLOW = '{"detail": "the request arrives too slowly, or not completely; send it again over a faster connection"}'
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HEAD = "POST /api/sessions HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server wait for a second instead of 20, and take five connections."""
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(connections, "LEAST_BYTES", 1_000)
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", MOST)
    monkeypatch.setattr(connections, "CHECK_SECONDS", 0.05)


def connect(address: str) -> closing[socket.socket]:
    place = urlsplit(address)
    assert place.hostname is not None
    return closing(socket.create_connection((place.hostname, place.port or 0), timeout=10))


def trickle(one: socket.socket, text: str, step: int = 1) -> bytes:
    """Send some bytes every 0.05 s until the server answers or all are sent, and return the whole answer."""
    for start in range(0, len(text), step):
        if select.select([one], [], [], 0.05)[0]:
            break
        one.sendall(text[start : start + step].encode())
    return rest_of(one)


def rest_of(one: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    found = b""
    while part := one.recv(1 << 16):
        found += part
    return found


@pytest.mark.parametrize(
    ("at_once", "slowly"),
    [
        ("", HEAD + "X-Long: " + "x" * 1000),
        (HEAD + "Content-Length: 1000000\r\n\r\n", '{"scan": "' + "x" * 1000),
        (HEAD + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n" * 1000),
    ],
)
def test_a_request_that_comes_byte_by_byte_is_answered_with_408_in_one_line(
    address: str, service: Service, at_once: str, slowly: str
) -> None:
    with connect(address) as one:
        one.sendall(at_once.encode())
        head, _, body = trickle(one, slowly).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"connection: close" in head.lower()
    assert body.decode() == SLOW
    assert service.worker.waiting == len(service.sessions) == 0


def test_a_body_that_is_not_read_any_more_does_not_hold_its_connection(address: str) -> None:
    with connect(address) as one:
        one.sendall(HEAD.replace("localhost", "evil").encode() + b"Content-Length: 100000\r\n\r\n")
        answer = one.recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 421 ")
        with pytest.raises(ConnectionError):
            trickle(one, "x" * 100_000)


def test_a_connection_without_a_request_ends_without_a_word(address: str) -> None:
    with connect(address) as one:
        assert rest_of_or_reset(one) == b""


def rest_of_or_reset(one: socket.socket) -> bytes:
    try:
        return rest_of(one)
    except ConnectionResetError:
        return b""


def test_an_upload_that_is_slow_but_steady_is_taken(address: str) -> None:
    body = json.dumps({"scan": "ball_007", "lesions": [{}], "more": "x" * 75_000})
    with connect(address) as one:
        one.sendall(f"{HEAD}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        answer = trickle(one, body, 2_500)
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_an_answer_that_nobody_reads_is_given_up_and_freed() -> None:
    server = make_server(Response(bytes(40_000_000)), REQUEST)
    with listening(server) as address, connect(address) as one:
        one.sendall(GET)
        assert one.recv(100).startswith(b"HTTP/1.1 200 OK")
        ends = select.poll()
        ends.register(one, 0)
        assert ends.poll(10_000)  # nothing more is read, but the end of the connection is seen
        with pytest.raises(ConnectionResetError):
            rest_of(one)
        assert not server.server_state.connections


def test_an_answer_that_is_read_slowly_but_steadily_is_sent_completely() -> None:
    with (
        listening(make_server(Response(bytes(20_000_000)), REQUEST)) as address,
        connect(address) as one,
    ):
        one.sendall(GET)
        read = 0
        while part := one.recv(500_000, socket.MSG_WAITALL):
            read += len(part)
            select.select([], [], [], 0.05)
    assert read > 20_000_000


def test_connections_without_a_request_do_not_keep_others_out(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 60)
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(address)) for _ in range(3 * MOST)]
        for one in idle[-MOST:]:
            one.sendall(HEAD.encode())
        with connect(address) as one:
            one.sendall(GET)
            assert rest_of(one).startswith(b"HTTP/1.1 200 ")
        for one in idle[:MOST]:
            assert rest_of_or_reset(one) == b""


def test_more_requests_than_there_are_connections_are_refused_in_one_line() -> None:
    release, arrived = threading.Event(), threading.Semaphore(0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        arrived.release()
        await asyncio.to_thread(release.wait)
        await Response("done")(scope, receive, send)

    with listening(make_server(app, REQUEST)) as address, ExitStack() as stack:
        busy = [stack.enter_context(connect(address)) for _ in range(MOST)]
        for one in busy:
            one.sendall(GET)
            assert arrived.acquire(timeout=10)
        with connect(address) as late:
            late.sendall(GET)
            assert rest_of(late).endswith(b"\r\n\r\nService Unavailable")
        release.set()
        assert all(rest_of(one).endswith(b"\r\n\r\ndone") for one in busy)
