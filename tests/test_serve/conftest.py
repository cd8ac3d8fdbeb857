"""Fixtures: a workspace with scans and a network, and a server in this process that serves them."""

import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from starlette.testclient import TestClient

from promise_cli.disk.workspace import open_workspace
from promise_cli.serve.app import make_app
from promise_cli.serve.serve_request import ServeRequest
from promise_cli.serve.service import Service
from promise_cli.session.predictor import Predictor
from tests.conftest import RUN, write_case


@pytest.fixture(scope="session")
def ward(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with a network that answers to clicks, and with three scans in `imgs`.

    The scan `ball_007` is oblique, and all have voxels of 1 x 0.9 x 1.5 mm. Tests may only read the folder.
    """
    root = tmp_path_factory.mktemp("ward") / "workspace"
    shutil.copytree(trained, root)
    for number in (2, 3, 7):
        write_case(root / "Task98_Balls", number)
    (root / "imgs").mkdir()
    for number in (2, 3, 7):
        name = f"ball_00{number}.nii.gz"
        shutil.copy(root / "Task98_Balls" / "imagesTr" / name, root / "imgs" / name)
    return root


@pytest.fixture(scope="session")
def predictor(ward: Path) -> Predictor:
    """Return the predictor of the ward's network."""
    return Predictor.load(ward / RUN, "cpu")


@pytest.fixture
def place(ward: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of its own for a test's masks, with the ward's scans and run. It is the current folder."""
    monkeypatch.delenv("PROMISE_ROOT", raising=False)
    monkeypatch.delenv("PROMISE_API_KEY", raising=False)
    root = tmp_path / "place"
    for name in ("imgs", "Task98_Balls"):
        shutil.copytree(ward / name, root / name)
    (root / "results").symlink_to(ward / "results")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def service(place: Path, predictor: Predictor) -> Service:
    """Return the networks, scans and sessions of a server for the scans of `place`."""
    assert place.exists()
    here = replace(predictor, checkpoints=open_workspace(None).find_runs(None, ()))
    return Service(ServeRequest(images=Path("imgs"), device="cpu"), here)


@pytest.fixture
def client(service: Service) -> TestClient:
    """Return a client of the server on this machine."""
    return TestClient(make_app(service), base_url="http://localhost:1527")


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    """Return the address of the server, which listens on a port of this machine."""
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(service), http="h11", ws="none", lifespan="off", log_level="critical"
        )
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=10)
