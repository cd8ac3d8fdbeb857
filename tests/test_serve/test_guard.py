"""Who may use the server: allowed hosts, origins and keys, and the options with which it refuses to start."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from promise_cli.cli import serve_app
from promise_cli.serve.app import make_app
from promise_cli.serve.serve_request import ServeRequest
from promise_cli.serve.service import Service

KEY = "correct-horse"
PATHS = ("/api/scans", "/api/server", "/status", "/capabilities", "/start_session")


def run(*arguments: object):
    return CliRunner().invoke(serve_app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("host", ["localhost:1527", "127.0.0.1", "127.0.0.1:9", "[::1]:1527"])
def test_names_of_this_machine_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/api/scans", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example:1527",
        "192.168.0.7",
        "",
        "localhost@evil",
        "[::1",
        "a b",
    ],
)
def test_other_names_are_refused_because_of_dns_rebinding(client: TestClient, host: str) -> None:
    for path in (*PATHS, "/", "/healthz"):
        assert client.get(path, headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_requests_of_other_web_pages_are_refused(client: TestClient, headers: dict) -> None:
    for path in ("/api/sessions", "/claim", "/upload_image"):
        assert client.post(path, headers=headers).status_code == 403
    assert client.get("/start_session", headers=headers).status_code == 403
    own = {"origin": "http://localhost:1527", "sec-fetch-site": "same-origin"}
    assert client.get("/api/scans", headers=own).status_code == 200


def test_a_server_with_a_key_shows_no_patient_data_without_it(service: Service) -> None:
    service.request = replace(service.request, host="0.0.0.0", api_key=KEY)
    client = TestClient(make_app(service), base_url="http://192.168.0.7:1527")
    wrong = [
        {},
        {"authorization": "Bearer wrong-horse"},
        {"authorization": f"Bearer {KEY} "[:-2]},
        {"authorization": "Basic !!!"},
    ]
    for headers in wrong:
        for path in PATHS:
            assert client.get(path, headers=headers).status_code == 401
        assert client.post("/claim", headers=headers).status_code == 401
        assert client.get("/", headers=headers).status_code == 200
    basic = base64.b64encode(f"any:{KEY}".encode()).decode()
    for good in (f"Bearer {KEY}", f"bearer {KEY}", f"Basic {basic}"):
        assert client.get("/api/scans", headers={"authorization": good}).status_code == 200
    named = {"authorization": f"Bearer {KEY}", "host": "evil.example"}
    assert client.get("/api/scans", headers=named).status_code == 421


def test_a_name_that_the_command_allows_is_answered(service: Service) -> None:
    service.request = replace(service.request, allowed_hosts=("Ward.example",))
    client = TestClient(make_app(service), base_url="http://ward.example")
    assert client.get("/api/scans").status_code == 200
    assert client.get("/api/scans", headers={"host": "other.example"}).status_code == 421


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--host", "0.0.0.0"],
            "--host 0.0.0.0: other machines could then read the scans; give --api-key KEY, or set PROMISE_API_KEY",
        ),
        (
            ["--host", "0.0.0.0", "--api-key", "short"],
            "--api-key: 5 characters; give 8 or more plain characters without spaces",
        ),
        (["--port", "70000"], "--port 70000: give a number from 0 to 65535"),
        (["--spacing", "1", "1", "0"], "--spacing (1.0, 1.0, 0.0): give three lengths in mm, 0.001 to 100"),
        (["--minutes", "0"], "--minutes 0: give 1 or more"),
        (["--tls-cert", "none.pem"], "--tls-cert none.pem: no such file; give a file in PEM format"),
        ([], "none: no such scan or folder"),
    ],
)  # fmt: skip
def test_impossible_options_are_refused_in_one_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROMISE_API_KEY", raising=False)
    done = run("-i", "none", *arguments)
    assert done.exit_code == 1
    assert done.stderr == f"error: {message}\n"


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMISE_API_KEY", KEY)
    assert ServeRequest(images=Path("imgs"), host="0.0.0.0").key == KEY


def test_a_missing_package_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promise_cli.cli.serve.NEEDED", {"no_such": "no-such"})
    done = run("-i", "none")
    assert done.exit_code == 1
    assert done.stderr == (
        "error: promise-serve needs no-such; run pip install 'promise_cli[serve]'\n"
    )
