"""The command in a process of its own: it starts, answers, and ends at once with one line."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

STARTED = re.compile(r"open (http://\S+) in a browser; Ctrl-C ends the server")


SLOW = (
    "import time; from promise_cli.serve.open_scans import OpenScan;"
    "OpenScan.predict = lambda *_: [print('computing'), time.sleep(60)];"
)
"""Code that makes each click take a minute."""


def start(before: str = "") -> tuple[subprocess.Popen[str], str]:
    """Start the command, and return it and the address that it prints."""
    code = f"{before} from promise_cli.cli import serve_app; serve_app(prog_name='promise-serve')"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "-i", "imgs", "--port", "0", "--device", "cpu"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if found := STARTED.search(line):
            return process, found[1]
    raise AssertionError(process.communicate())


def post(address: str, fields: dict) -> dict:
    request = urllib.request.Request(address, json.dumps(fields).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@pytest.mark.slow
@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_within_two_seconds_with_one_line(number: int) -> None:
    process, address = start(SLOW)
    session = post(f"{address}/api/sessions", {"scan": "ball_007", "lesions": [{}]})["session"]
    click = f"{address}/api/sessions/{session}/lesions/1/clicks"
    clicking = threading.Thread(target=failing, args=(click, {"point": [13, 12, 9]}))
    clicking.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "computing\n"
    began = time.monotonic()
    with urllib.request.urlopen(f"{address}/api/server") as answer:
        assert json.load(answer)["waiting"] == 1
    process.send_signal(number)
    out, error = process.communicate(timeout=20)
    assert time.monotonic() - began < 2
    assert out == "promise-serve has ended; saved masks are in predictions/imgs\n"
    assert error == ""
    assert process.returncode == 0
    clicking.join()


def failing(address: str, fields: dict) -> None:
    with pytest.raises((OSError, http.client.HTTPException)):
        post(address, fields)


@pytest.mark.usefixtures("place")
def test_a_port_in_use_is_reported_in_one_line() -> None:
    from typer.testing import CliRunner

    from promise_cli.cli import serve_app

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(serve_app, ["-i", "imgs", "--port", str(port)])
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: 127.0.0.1, port {port}: Address already in use; give another port with --port, or another --host\n"
    )
