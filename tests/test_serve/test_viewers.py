"""The protocols of the viewers: clicks lead to the voxels and to the masks of promise-predict, bit for bit."""

import base64
import gzip
import io
import json

import nibabel as nib
import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.test_serve.predicted import CLICKS, predicted

SCAN = "ball_007"


def voxels(scan: str = SCAN) -> np.ndarray:
    return np.asanyarray(nib.load(f"imgs/{scan}.nii.gz").dataobj)


def npy(array: np.ndarray, *, packed: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return gzip.compress(file.getvalue()) if packed else file.getvalue()


def in_slicer(client: TestClient, point: object, sign: int = 1) -> np.ndarray:
    """Click as 3D Slicer does, and return the mask (k, j, i)."""
    fields = {"voxel_coord": list(point)[::-1], "positive_click": bool(sign)}
    done = client.post("/add_point_interaction", json=fields)
    assert done.status_code == 200, done.text
    assert done.headers["content-encoding"] == "gzip"
    shape = voxels().shape[::-1]
    return np.unpackbits(np.frombuffer(done.content, np.uint8))[: np.prod(shape)].reshape(shape)


def test_clicks_of_3d_slicer_give_the_mask_of_promise_predict(client: TestClient) -> None:
    file = {"file": ("volume.npy", npy(voxels().T))}
    assert client.post("/upload_image", files=file).status_code == 200
    for number, (point, sign) in enumerate(CLICKS, 1):
        mask = in_slicer(client, point, sign)
        assert np.array_equal(mask.T, predicted(CLICKS[:number]))


@pytest.mark.parametrize("version", ["", "/v2"])
def test_clicks_of_itk_snap_give_the_mask_of_promise_predict(
    client: TestClient, version: str
) -> None:
    start = "/start_session" if not version else "/v2/start_session/promise"
    session = client.get(start).json()["session_id"]
    array = voxels()
    meta = json.dumps({"dimensions": list(array.shape), "components_per_pixel": 1})
    raw = gzip.compress(array.astype(np.float32).tobytes(order="F"))
    done = client.post(
        f"{version}/upload_raw/{session}", files={"file": ("raw.gz", raw)}, data={"metadata": meta}
    )
    assert done.status_code == 200, done.text
    for point, sign in CLICKS:
        place = f"{version}/process_point_interaction/{session}"
        x, y, z = point
        query = (
            f"point={x},{y},{z}&foreground={bool(sign)}"
            if version
            else f"x={x}&y={y}&z={z}&foreground={bool(sign)}"
        )
        done = client.get(f"{place}?{query}")
        assert done.status_code == 200, done.text
    result = gzip.decompress(base64.b64decode(done.json()["result"]))
    mask = np.frombuffer(result, np.int8).reshape(array.shape, order="F")
    assert np.array_equal(mask, predicted(CLICKS))
    assert client.get(f"{version}/reset_interactions/{session}").status_code == 200
    assert client.get(f"{version}/end_session/{session}").status_code == 200
    assert client.get(f"{place}?{query}").status_code == 410


@pytest.mark.parametrize(("order", "flip"), [((0, 1, 2), 1), ((2, 1, 0), 1), ((1, 0, 2), -1)])
def test_clicks_of_nninteractive_give_the_mask_of_promise_predict(
    address: str, order: tuple[int, int, int], flip: int
) -> None:
    remote = pytest.importorskip("nnInteractive.inference.remote")
    session = remote.nnInteractiveRemoteInferenceSession(address)
    array = voxels().transpose(order)[::flip]
    session.set_image(np.ascontiguousarray(array)[None].astype(np.float32), {"spacing": [1, 1, 1]})
    buffer = np.zeros(array.shape, np.uint8)
    session.set_target_buffer(buffer)
    for point, sign in CLICKS:
        there = [point[axis] for axis in order]
        there[0] = there[0] if flip == 1 else array.shape[0] - 1 - there[0]
        session.add_point_interaction(there, include_interaction=bool(sign))
    wanted = predicted(CLICKS)
    assert np.array_equal(buffer[::flip].transpose(np.argsort(order)), wanted)
    assert session.undo()
    assert np.array_equal(buffer[::flip].transpose(np.argsort(order)), predicted(CLICKS[:2]))
    session.reset_interactions()
    assert not buffer.any()
    session.close()


def test_the_client_of_nninteractive_shows_why_a_scan_is_refused(address: str) -> None:
    remote = pytest.importorskip("nnInteractive.inference.remote")
    session = remote.nnInteractiveRemoteInferenceSession(address)
    unknown = voxels()[None].astype(np.float32) + 1
    with pytest.raises(RuntimeError, match="none of the scans of this server"):
        session.set_image(unknown)


def test_all_tools_of_nninteractive_lead_to_clicks(address: str) -> None:
    remote = pytest.importorskip("nnInteractive.inference.remote")
    session = remote.nnInteractiveRemoteInferenceSession(address)
    session.set_image(voxels()[None].astype(np.float32))
    buffer = np.zeros(voxels().shape, np.uint8)
    session.set_target_buffer(buffer)
    assert not session.supports_initial_label
    with pytest.raises(Exception, match="add_initial_seg_interaction"):
        session.add_initial_seg_interaction(np.ones_like(buffer), run_prediction=True)
    session.add_point_interaction(CLICKS[2][0], include_interaction=False)  # kept for later
    session.add_bbox_interaction([[11, 16], [11, 14], [9, 10]], include_interaction=True)
    assert np.array_equal(buffer, predicted([CLICKS[2], CLICKS[0]]))
    stroke = np.zeros_like(buffer)
    stroke[15:18, 13:16, 11] = 1
    session.add_lasso_interaction(stroke, include_interaction=True)
    assert np.array_equal(buffer, predicted([CLICKS[2], CLICKS[0], CLICKS[1]]))
    line = np.zeros_like(buffer)
    line[10:16, 12, 9] = 1
    session.add_scribble_interaction(line, include_interaction=True)
    along = [((11, 12, 9), 1), ((14, 12, 9), 1)]
    assert np.array_equal(buffer, predicted([CLICKS[2], CLICKS[0], CLICKS[1], *along]))
    assert session.undo()
    assert np.array_equal(buffer, predicted([CLICKS[2], CLICKS[0], CLICKS[1]]))
    assert session.heartbeat() > 0
    session.close()
