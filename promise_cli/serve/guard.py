"""Decides which requests are answered at all, by their host, their origin, their key and their size."""

import base64
import binascii
import ipaddress
import json
import secrets
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from promise_cli.serve.bounded import upload_limit
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.serve_request import ServeRequest, is_loopback

SCRIPTS = ("script", "server", "session", "views")
"""Names of the page's scripts."""
OPEN_PATHS = frozenset(
    {"/", *(f"/{name}.js" for name in SCRIPTS), "/style.css", "/healthz", "/favicon.ico"}
)
"""Paths that hold no data of patients and need no key."""
_FROM_HERE = ("same-origin", "none")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'"),
)  # fmt: skip


class Guard:
    """ASGI application in front of another one. It refuses requests that must not reach it."""

    def __init__(self, app: ASGIApp, request: ServeRequest) -> None:
        """Guard an application, with the hosts and the key of a call of promise-serve."""
        self.app, self.request = app, request
        self._names = frozenset(_names(request))
        self._uploading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with a JSON object `{"detail": reason}`."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        try:
            self._check(scope)
        except RefusalError as refusal:
            await _refuse(refusal, send_more)
            return
        counted = _Counted(self, receive)
        try:
            await self.app(scope, counted, send_more)
        finally:
            self._uploading -= counted.bytes

    def count(self, size: int) -> None:
        """Count bytes of a request that is being read.

        Raises:
            RefusalError: All requests that are being read have together sent too much.
        """
        self._uploading += size
        if self._uploading > upload_limit():
            raise RefusalError(413, "the request is larger than the server can hold; send less")

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_allowed(host):
            raise RefusalError(
                421, f"the host {host[:100]!r} is not known; start promise-serve with --allow-host"
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise RefusalError(403, "requests from other web pages are refused")
        opens_page = scope["method"] == "GET" and scope["path"] in OPEN_PATHS
        if headers.get("sec-fetch-site", "none") not in _FROM_HERE and not opens_page:
            raise RefusalError(403, "requests from other web pages are refused")
        if scope["path"] not in OPEN_PATHS and not self._has_key(headers):
            raise RefusalError(401, "a key is needed; send it as Authorization: Bearer KEY")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > upload_limit():
            raise RefusalError(413, "the request is larger than the server can hold; send less")

    def _has_key(self, headers: Headers) -> bool:
        key = self.request.key
        return key is None or secrets.compare_digest(_key_of(headers).encode(), key.encode())

    def _is_allowed(self, host: str) -> bool:
        """Whether the header Host names this server.

        An attacker can let a name of his own point to this machine (DNS rebinding). Therefore only known names are
        accepted. Addresses in numbers cannot be misused in this way.
        """
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".").lower()
            if urlsplit(f"//{host}").port == 0 or "@" in host or "/" in host:
                return False
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return is_loopback(name) or not self.request.is_local


class _Counted:
    """Function that reads the next part of a request and counts its bytes."""

    def __init__(self, guard: Guard, receive: Receive) -> None:
        self.guard, self.receive, self.bytes = guard, receive, 0

    async def __call__(self) -> Message:
        message = await self.receive()
        size = len(message.get("body", b""))
        self.bytes += size
        self.guard.count(size)
        return message


def _names(request: ServeRequest) -> Iterable[str]:
    """Yield the names under which clients may reach the server, in lower case."""
    yield "localhost"
    yield from (name.lower() for name in request.allowed_hosts)
    if not request.is_local:
        yield from (request.host.lower(), socket.gethostname().lower(), socket.getfqdn().lower())


def _key_of(headers: Headers) -> str:
    """Return the key of a request: the Bearer token, or the password of an address such as http://x:KEY@host."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


async def _refuse(refusal: RefusalError, send: Send) -> None:
    body = json.dumps({"detail": str(refusal)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
