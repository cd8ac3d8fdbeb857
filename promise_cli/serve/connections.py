"""The connections of clients: how many are open at the same time, and how slow their clients may be."""

import asyncio
import json
import socket
import struct
import time
from contextlib import suppress

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from promise_cli.serve.serve_request import ServeRequest

MOST_CONNECTIONS = 100
"""Largest number of connections at the same time."""
PATIENCE_SECONDS = 20.0
"""Seconds that a request may take to arrive, or an answer to be read, however slow the client is."""
LEAST_BYTES = 400_000
"""Bytes that the client must send or read in this time if the request or the answer takes longer."""
CHECK_SECONDS = 1.0
"""Seconds between two looks at a connection."""
_NO_LINGER = struct.pack("ii", 1, 0)
_TOO_SLOW = (
    "the request arrives too slowly, or not completely; send it again over a faster connection"
)


class WatchedConnection(H11Protocol):
    """A connection that ends if its client is too slow, or if it has no request and a newer one needs its place."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch a new connection, which takes the place of an older one if there are too many."""
        super().connection_made(transport)
        self._opened = time.monotonic()
        self._since: float | None = self._opened
        """Time since which the bytes are counted. None while the client waits for the server."""
        self._received = 0
        """Bytes that the client has sent since then."""
        self._unread = 0
        """Bytes of the answer that were not sent then, because the client has not read enough."""
        self._make_room()
        self._watch = self.loop.call_later(CHECK_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        if self._since is None:
            self._count_anew()
        self._received += len(data)
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Wait for the next request. uvicorn closes connections on which none begins."""
        super().on_response_complete()
        if self.conn.their_state is not h11.SEND_BODY:
            self._since = None

    def pause_writing(self) -> None:
        """Note that the client has much to read."""
        super().pause_writing()
        self._count_anew()

    def resume_writing(self) -> None:
        """Note that the client has read nearly everything."""
        super().resume_writing()
        self._count_anew()

    @property
    def has_request(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _make_room(self) -> None:
        """Close the connection that has had no request for longest, if there are too many connections."""
        others = [
            one
            for one in self.connections
            if isinstance(one, WatchedConnection) and not one.transport.is_closing()
        ]
        idle = [one for one in others if one is not self and not one.has_request]
        if len(others) > MOST_CONNECTIONS and idle:
            min(idle, key=lambda one: one._opened)._cut()

    def _cut(self) -> None:
        """Close the connection at once. The system drops what it still holds for the client, too."""
        with suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER
            )
        self.transport.abort()

    def _count_anew(self) -> None:
        """Count bytes from now on."""
        self._since, self._received, self._unread = time.monotonic(), 0, self._unsent()

    def _unsent(self) -> int:
        """Return how many bytes of the answer wait until the client has read enough."""
        # With TLS, most of them lie in the transport below.
        below = getattr(getattr(self.transport, "_ssl_protocol", None), "_transport", None)
        both = (self.transport, below) if below else (self.transport,)
        return sum(one.get_write_buffer_size() for one in both)

    def _look(self) -> None:
        """End the connection if its client is too slow."""
        is_late = self.loop.time() - self._watch.when() > PATIENCE_SECONDS / 4
        self._watch = self.loop.call_later(CHECK_SECONDS, self._look)
        if is_late and self._since is not None:
            self._count_anew()  # the server was too busy to take what the client has sent
        is_arriving = self.has_request and self.cycle.more_body and not self.flow.read_paused
        # An application that writes bit by bit keeps some bytes waiting, which says nothing about the client.
        is_reading = self.flow.write_paused or (not self.has_request and self._unsent() > 0)
        is_reading = is_reading or self.transport.is_closing()
        if self.has_request and not is_arriving and not is_reading:
            self._since = None  # the client waits for the server
        elif self._since is None and (self.has_request or is_reading):
            self._count_anew()
        if self._since is None or time.monotonic() - self._since < PATIENCE_SECONDS:
            return
        moved = self._unread - self._unsent() if is_reading else self._received
        if moved < LEAST_BYTES:
            self._give_up()
        else:
            self._count_anew()

    def _give_up(self) -> None:
        """Answer that the client is too slow if that can still be said, and close the connection."""
        can_answer = (
            not self.cycle.response_started
            if self.has_request
            else self._received > 0 and self.conn.our_state is h11.IDLE
        )
        if not can_answer or self.transport.is_closing():
            self._cut()
            return
        body = json.dumps({"detail": _TOO_SLOW}).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        for event in (
            h11.Response(status_code=408, reason="Request Timeout", headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def make_server(app: ASGIApp, request: ServeRequest) -> uvicorn.Server:
    """Return the server of an application. `run` starts it on an open socket."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=WatchedConnection,
            ws="none",
            lifespan="off",
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS + 1,
            timeout_graceful_shutdown=0,
            ssl_certfile=request.certificate,
            ssl_keyfile=request.certificate_key,
        )
    )
