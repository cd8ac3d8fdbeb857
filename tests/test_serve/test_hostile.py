"""Uploads that lie about their size, hold code, or are damaged take no memory and end in a refusal."""

import gzip
import io
import json
import pickle
import resource
import struct
import zlib

import nibabel as nib
import numpy as np
import pytest
from starlette.testclient import TestClient

from promise_cli.serve.packed import pack
from promise_cli.serve.service import Service
from tests.fuzz_serve import Calls, fuzz, npy
from tests.test_serve.predicted import CLICKS, predicted


class Trap:
    """An object that fails the test if it is unpickled."""

    def __reduce__(self) -> tuple:
        return exec, ("raise SystemExit('unpickled')",)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def claimed_npy(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    """Return a .npy file whose header promises this shape, with no voxels."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


def upload(client: TestClient, content: bytes, path: str = "/upload_image"):
    return client.post(path, files={"file": ("f", content)})


def test_nothing_uploaded_is_unpickled(client: TestClient) -> None:
    trapped = npy(np.array([[[Trap()]]], dtype=object))
    for content in (trapped, gzip.compress(trapped), pickle.dumps(Trap())):
        done = upload(client, content)
        assert done.json()["status"] == "error"


@pytest.mark.parametrize(
    "shape",
    [(32767, 32767, 32767), (30000, 30000, 2), (2**40, 1, 1), (0, 4, 4), (4, 4), (-1, 4, 4)],
)
def test_a_header_that_promises_too_much_takes_no_memory(
    client: TestClient, shape: tuple[int, ...]
) -> None:
    before = peak_mb()
    for content in (claimed_npy(shape), gzip.compress(claimed_npy(shape))):
        assert upload(client, content).json()["status"] == "error"
    lease = {"X-Lease-Token": client.post("/claim").json()["lease_token"]}
    head = b"NNIA" + bytes([1, 1, 4, 7]) + b"float32" + struct.pack("<4q", 1, *(*shape, 1)[:3])
    done = client.post("/set_image", content=head + struct.pack("<I", 1), headers=lease)
    assert done.status_code == 410
    session = client.get("/start_session").json()["session_id"]
    meta = json.dumps({"dimensions": list(shape)})
    done = client.post(
        f"/upload_raw/{session}",
        files={"file": ("f", gzip.compress(b"x"))},
        data={"metadata": meta},
    )
    assert done.status_code in (413, 422)
    assert peak_mb() - before < 100


def test_a_small_file_that_unpacks_to_gigabytes_takes_no_memory(client: TestClient) -> None:
    before = peak_mb()
    machine = zlib.compressobj(1, zlib.DEFLATED, 31)
    pieces = [machine.compress(claimed_npy((10, 10, 10)))]
    pieces += [machine.compress(bytes(1 << 20)) for _ in range(400)]
    bomb = b"".join((*pieces, machine.flush()))
    assert len(bomb) < 4_000_000
    assert upload(client, bomb).json()["status"] == "error"
    packed = bytearray(pack(np.zeros((1, 10, 10, 10), np.float32)))
    start = packed.index(struct.pack("<Q", 4000)) + 16
    packed[start + 4 : start + 8] = struct.pack("<I", 1 << 30)  # what blosc2 would make room for
    lease = {"X-Lease-Token": client.post("/claim").json()["lease_token"]}
    done = client.post("/set_image", content=bytes(packed), headers=lease)
    assert "a chunk has another length than announced" in done.json()["detail"]
    assert peak_mb() - before < 200


def test_long_requests_are_refused_before_they_are_read(client: TestClient) -> None:
    huge = client.post("/api/sessions", content=b"", headers={"content-length": "9" * 15})
    assert huge.status_code == 413
    long = client.post("/api/sessions", content=b" " * (1 << 21))
    assert long.status_code == 413
    deep = client.post("/api/sessions", content=b"[" * 100_000)
    assert deep.status_code == 400
    many = client.post("/upload_image", data={f"f{number}": "x" for number in range(100)})
    assert many.status_code == 400


@pytest.mark.parametrize(
    "name",
    [
        "../points",
        "..%2F..%2Fetc%2Fpasswd",
        "%2Fetc%2Fpasswd",
        "imgs/ball_007",
        "ball_007.nii.gz",
        "9",
    ],
)
def test_scans_are_named_by_the_list_and_never_by_a_path(client: TestClient, name: str) -> None:
    assert client.get(f"/api/scans/{name}").status_code == 404
    done = client.post("/api/sessions", json={"scan": name})
    assert done.status_code == 404
    assert client.get("/api/scans/2").json()["name"] == "ball_007"


def test_damaged_requests_end_in_a_result_or_a_refusal(service: Service) -> None:
    voxels = np.asanyarray(nib.load("imgs/ball_007.nii.gz").dataobj)
    calls = Calls(service, voxels, "ball_007")
    counts = fuzz(calls, 150, 1)
    assert sum(counts.values()) == 150
    assert counts[200] > 20
    assert sum(counts[status] for status in (400, 404, 422)) > 40
    state = calls.client.post(
        "/api/sessions", json={"scan": "ball_007", "order": "stored", "lesions": [{}]}
    ).json()
    for point, sign in CLICKS:
        fields = {"point": list(point), "sign": sign}
        calls.client.post(f"/api/sessions/{state['session']}/lesions/1/clicks", json=fields)
    whole = calls.client.get(f"/api/sessions/{state['session']}/mask").content
    wanted = predicted(CLICKS)
    assert np.array_equal(np.frombuffer(whole, np.uint8).reshape(wanted.shape), wanted)
