"""Download of files from the internet, with a check of their sha256."""

import hashlib
import shutil
import urllib.request
from http.client import HTTPException
from pathlib import Path

from promise_cli.console import say, track_bytes
from promise_cli.disk.atomic import whole_file

TIMEOUT_S = 30.0
"""Seconds without a received byte after which a download fails."""


def download(url: str, path: Path, sha256: str) -> Path:
    """Download a file with a progress bar, and keep it only if its sha256 is the expected one.

    Args:
        url: Address of the file. Proxies are taken from the environment variables that Python reads.
        path: Path of the downloaded file. The download goes through a temporary file next to it.
        sha256: Expected SHA-256 of the file, in hexadecimal.

    Returns:
        `path`.

    Raises:
        OSError: There is no connection, the address has no file, the transfer broke off, the disk is full, or the
            sha256 differs. No file is left behind.
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
    except HTTPException as error:  # an interrupted transfer does not raise OSError
        raise OSError(f"the transfer broke off ({error!r})") from None
    return path


def _check(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise OSError(
            f"the downloaded {path.stat().st_size:,} bytes have sha256 {found} instead of {sha256}"
        )
