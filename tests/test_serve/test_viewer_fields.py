"""Fields, defaults and statuses of the viewers' protocols, as their own servers have them."""

import base64
import gzip
import json

import numpy as np
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from promise_cli.serve.service import Service
from tests.test_serve.predicted import CLICKS, predicted
from tests.test_serve.test_viewers import in_slicer, npy, voxels


def of_itk_snap(array: np.ndarray) -> dict[str, dict]:
    """Return a form with an array (x, y, z), as ITK-SNAP sends scans and strokes."""
    meta = {"dimensions": list(array.shape), "components_per_pixel": 1}
    raw = gzip.compress(array.astype(np.float32).tobytes(order="F"))
    return {"files": {"file": ("raw.gz", raw)}, "data": {"metadata": json.dumps(meta)}}


@pytest.fixture
def snap(client: TestClient) -> str:
    """Return the name of a session of ITK-SNAP with the oblique scan."""
    (model,) = client.get("/v2/models").json()["models"]
    assert model["dimensions"] == 3
    assert model["channels"] == [1]
    assert model["interactions"] == ["point", "scribble", "lasso"]
    session: str = client.get(f"/v2/start_session/{model['id']}").json()["session_id"]
    assert client.post(f"/v2/upload_raw/{session}", **of_itk_snap(voxels())).status_code == 200
    return session


def mask_of_itk_snap(done: Response) -> np.ndarray:
    assert done.status_code == 200, done.text
    result = gzip.decompress(base64.b64decode(done.json()["result"]))
    return np.frombuffer(result, np.int8).reshape(voxels().shape, order="F")


def test_strokes_of_itk_snap_come_as_float32_with_their_size(client: TestClient, snap: str) -> None:
    line, ring = np.zeros(voxels().shape), np.zeros(voxels().shape)
    line[13, 12, 9] = 1
    ring[14:19, 12:17, 11] = 1
    ring[15:18, 13:16, 11] = 0
    done = client.post(f"/process_scribble_interaction/{snap}?foreground=true", **of_itk_snap(line))
    assert np.array_equal(mask_of_itk_snap(done), predicted(CLICKS[:1]))
    done = client.post(f"/process_lasso_interaction/{snap}?foreground=1", **of_itk_snap(ring))
    assert np.array_equal(mask_of_itk_snap(done), predicted(CLICKS[:2]))
    done = client.post(f"/process_lasso_interaction/{snap}?foreground=1", **of_itk_snap(ring[1:]))
    assert done.status_code == 422
    assert done.json()["error"] == "the stroke has another shape than the scan"


def test_clicks_of_itk_snap_are_background_unless_the_address_says_otherwise(
    client: TestClient, snap: str
) -> None:
    place = f"/v2/process_point_interaction/{snap}"
    first = client.get(f"{place}?point=13&point=12&point=9&foreground=true")
    assert np.array_equal(mask_of_itk_snap(first), predicted(CLICKS[:1]))
    second = client.get(f"{place}?point=4&point=20&point=15")
    assert np.array_equal(mask_of_itk_snap(second), predicted([CLICKS[0], CLICKS[2]]))


def test_itk_snap_finds_the_reason_of_a_refusal_under_its_own_name(
    client: TestClient, snap: str
) -> None:
    client.get(f"/end_session/{snap}")
    done = client.get(f"/process_point_interaction/{snap}?x=1&y=1&z=1&foreground=true")
    assert done.status_code == 410
    assert done.json()["error"].startswith("this session has ended")


def test_a_click_of_3d_slicer_without_a_sign_is_refused(client: TestClient) -> None:
    client.post("/upload_image", files={"file": ("f", npy(voxels().T))})
    done = client.post("/add_point_interaction", json={"voxel_coord": [9, 12, 13]}).json()
    assert done["status"] == "error"
    assert done["message"] == "positive_click: true or false is needed, found None"


def test_a_stroke_of_3d_slicer_may_give_its_sign_as_yes(client: TestClient) -> None:
    client.post("/upload_image", files={"file": ("f", npy(voxels().T))})
    line = np.zeros(voxels().T.shape, np.uint8)
    line[9, 12, 13] = 1
    sent = {"file": ("f", npy(line, packed=True))}
    done = client.post("/add_scribble_interaction", files=sent, data={"positive_click": "yes"})
    found = np.unpackbits(np.frombuffer(done.content, np.uint8))[: line.size].reshape(line.shape)
    assert np.array_equal(found.T, predicted(CLICKS[:1]))


def test_a_segment_is_known_again_after_the_scan_was_sent_again(client: TestClient) -> None:
    image = {"file": ("f", npy(voxels().T))}
    client.post("/upload_image", files=image)
    first = in_slicer(client, *CLICKS[0])
    client.post("/upload_image", files=image)
    client.post("/upload_segment", files={"file": ("f", npy(first.astype(bool), packed=True))})
    second = in_slicer(client, *CLICKS[1])
    assert np.array_equal(second.T, predicted(CLICKS[:2]))


def test_looking_at_a_lease_does_not_extend_it(client: TestClient, service: Service) -> None:
    lease = {"X-Lease-Token": client.post("/claim").json()["lease_token"]}
    session = service.sessions.find(lease["X-Lease-Token"], "nninteractive")
    session.used -= 600
    seconds = service.sessions.seconds - 600
    found = client.get("/lease_status", headers=lease).json()
    assert found["remaining_seconds"] == pytest.approx(seconds, abs=5)
    found = client.post("/heartbeat", headers=lease).json()
    assert found["remaining_seconds"] == pytest.approx(seconds + 600, abs=5)


def test_a_client_may_reset_and_undo_before_it_sends_an_image(client: TestClient) -> None:
    lease = {"X-Lease-Token": client.post("/claim").json()["lease_token"]}
    assert client.post("/reset_interactions", json={}, headers=lease).status_code == 200
    undone = client.post("/undo", json={}, headers=lease)
    assert json.loads(undone.headers["X-Meta"])["ran_prediction"] is False
