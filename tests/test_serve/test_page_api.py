"""The API of the page: scans, clicks, masks, and saved files that equal those of promise-predict."""

import base64
import gzip

import numpy as np
from starlette.testclient import TestClient

from tests.test_serve.predicted import CLICKS, predicted


def begin(client: TestClient, scan: str = "ball_007", **fields: object) -> dict:
    done = client.post("/api/sessions", json={"scan": scan, **fields})
    assert done.status_code == 200, done.text
    return done.json()


def click(client: TestClient, session: str, point: object, sign: int = 1, **fields: object) -> dict:
    done = client.post(
        f"/api/sessions/{session}/lesions/1/clicks", json={"point": point, "sign": sign, **fields}
    )
    assert done.status_code == 200, done.text
    return done.json()


def paste(mask: np.ndarray, changed: dict | None) -> None:
    if changed is not None:
        spans = tuple(slice(low, high) for low, high in changed["box"])
        values = gzip.decompress(base64.b64decode(changed["values"]))
        mask[spans] = np.frombuffer(values, np.uint8).reshape(mask[spans].shape)


def test_clicks_in_the_page_give_the_mask_of_promise_predict(client: TestClient) -> None:
    state = begin(client, order="stored")
    client.post(f"/api/sessions/{state['session']}/lesions", json={})
    mask = np.zeros(state["shape"], np.uint8)
    for number, (point, sign) in enumerate(CLICKS, 1):
        paste(mask, click(client, state["session"], list(point), sign)["changed"])
        wanted = predicted(CLICKS[:number])
        assert 0 < wanted.sum() < wanted.size
        assert np.array_equal(mask, wanted)
