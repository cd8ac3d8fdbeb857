"""The command in a process of its own: it starts, answers, and ends at once with one line."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

STARTED = re.compile(r"open (http://\S+) in a browser; Ctrl-C ends the server")


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start the command, and return it and the address that it prints."""
    code = "from promise_cli.cli import serve_app; serve_app(prog_name='promise-serve')"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "-i", "imgs", "--port", "0", "--device", "cpu", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if found := STARTED.search(line):
            return process, found[1]
    raise AssertionError(process.communicate())


@pytest.mark.slow
@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_within_a_second_with_one_line(number: int) -> None:
    process, address = start()
    with urllib.request.urlopen(f"{address}/api/scans") as answer:
        assert len(json.load(answer)["scans"]) == 3
    began = time.monotonic()
    process.send_signal(number)
    out, error = process.communicate(timeout=20)
    assert time.monotonic() - began < 1.5
    assert (
        out == f"promise-serve has ended; saved masks are in {Path('predictions/imgs').resolve()}\n"
        or (out == "promise-serve has ended; saved masks are in predictions/imgs\n")
    )
    assert error == ""
    assert process.returncode == 0


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
