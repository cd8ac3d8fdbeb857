"""A downloaded file is there whole and as published, or not at all."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from promise_cli.network.download import download

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Publisher(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/unannounced":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: 1000 if self.path == "/broken" else None])

    def log_message(self, *_: object) -> None:
        """Write nothing, so that the tests' output stays quiet."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Publisher)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["file", "unannounced"])
def test_a_file_arrives_whole(address: str, name: str, tmp_path: Path) -> None:
    path = download(f"{address}/{name}", tmp_path / "new" / "weights.pth", SHA256)
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "digest", "message"),
    [
        ("missing", SHA256, "HTTP Error 404: Not Found"),
        ("broken", SHA256, "the downloaded 1,000 bytes have sha256 "),
        ("file", "0" * 64, f"the downloaded 1,280,000 bytes have sha256 {SHA256} instead of 000"),
    ],
)
def test_a_download_that_is_not_the_published_file_leaves_nothing(
    address: str, name: str, digest: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match=message):
        download(f"{address}/{name}", tmp_path / "weights.pth", digest)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays_when_the_transfer_fails(address: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"older")
    with pytest.raises(OSError, match="bytes have sha256"):
        download(f"{address}/broken", path, SHA256)
    assert path.read_bytes() == b"older"
