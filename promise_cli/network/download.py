"""Files from the net, checked, and there whole or not at all."""

import hashlib
import shutil
import urllib.request
from http.client import HTTPException
from pathlib import Path

from promise_cli.console import say, track_bytes
from promise_cli.disk.atomic import whole_file

TIMEOUT_S = 30.0
"""Without a byte from the other side."""


def download(url: str, path: Path, sha256: str) -> Path:
    """Fetch a file, with a progress bar, unless what arrives is not what was published.

    Args:
        url: Where it is published; proxies are taken from the environment, as Python does.
        path: Where it goes, through a temporary file beside it.
        sha256: Of its bytes, in hexadecimal.

    Returns:
        `path`.

    Raises:
        OSError: No connection, no such file there, a broken transfer, no space, or other bytes than were published;
            nothing is left behind then.
    """
    say(f"downloading {url} to {path}")
    try:
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT_S) as response,
            whole_file(path) as temporary,
        ):
            length = response.headers.get("Content-Length")
            total = int(length) if length and length.isdigit() else None
            with temporary.open("wb") as file, track_bytes(response, path.name, total) as source:
                shutil.copyfileobj(source, file, 2**20)
            _check(temporary, sha256)
    except HTTPException as error:  # a transfer that broke off is no OSError
        raise OSError(f"the transfer broke off ({error!r})") from None
    return path


def _check(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise OSError(
            f"what arrived, {path.stat().st_size:,} bytes, has sha256 {found} instead of {sha256}"
        )
