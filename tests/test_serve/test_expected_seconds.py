"""The server says how many seconds a click will take, by those that the latest clicks took."""

import gzip
import itertools
import json
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from promise_cli.serve.packed import pack
from tests.test_serve.predicted import CLICKS
from tests.test_serve.test_page_api import begin, click
from tests.test_serve.test_viewers import npy, voxels


def test_expected_seconds_differ_for_first_and_further_clicks(client: TestClient) -> None:
    state = begin(client, order="stored")
    assert (state["expected_first_seconds"], state["expected_seconds"]) == (None, None)
    session = state["session"]
    client.patch(f"/api/sessions/{session}/lesions/1", json={"name": "left"})
    state = click(client, session, list(CLICKS[0][0]))
    assert state["expected_first_seconds"] > 0
    assert state["expected_seconds"] is None
    state = client.post(f"/api/sessions/{session}/lesions/1/undo").json()
    assert state["expected_seconds"] is None
    click(client, session, list(CLICKS[0][0]))
    assert click(client, session, list(CLICKS[1][0]))["expected_seconds"] > 0


def _add_in_slicer(client: TestClient) -> Callable[[tuple, int], Response]:
    client.post("/upload_image", files={"file": ("f", npy(voxels().T))})
    return lambda point, sign: client.post(
        "/add_point_interaction", json={"voxel_coord": point[::-1], "positive_click": bool(sign)}
    )


def _add_in_itk_snap(client: TestClient) -> Callable[[tuple, int], Response]:
    session = client.get("/start_session").json()["session_id"]
    raw = gzip.compress(voxels().astype(np.float32).tobytes(order="F"))
    meta = {"metadata": json.dumps({"dimensions": list(voxels().shape)})}
    client.post(f"/upload_raw/{session}", files={"file": ("f", raw)}, data=meta)
    place = f"/process_point_interaction/{session}"
    names = ("x", "y", "z", "foreground")
    return lambda point, sign: client.get(
        place, params=dict(zip(names, (*point, bool(sign)), strict=True))
    )


def _add_in_nninteractive(
    client: TestClient, *, predict: int = 0
) -> Callable[[tuple, int], Response]:
    """Return a function that adds a click. The first `predict` ones are added without computing the mask."""
    lease = {"X-Lease-Token": client.post("/claim").json()["lease_token"]}
    client.post("/set_image", content=pack(voxels()[None].astype(np.float32)), headers=lease)
    number = itertools.count()
    return lambda point, sign: client.post("/add_point_interaction", headers=lease, json={
        "coordinates": point, "include_interaction": bool(sign), "run_prediction": next(number) >= predict
    })  # fmt: skip


@pytest.mark.parametrize(
    ("viewer", "kept"),
    [
        (_add_in_slicer, CLICKS[2]),
        (_add_in_itk_snap, CLICKS[2]),
        (_add_in_nninteractive, CLICKS[2]),
        (partial(_add_in_nninteractive, predict=1), CLICKS[1]),
    ],
    ids=["slicer", "itk_snap", "nninteractive", "nninteractive without prediction"],
)
def test_a_click_that_is_only_kept_changes_no_expected_seconds(
    client: TestClient, viewer: Callable, kept: tuple
) -> None:
    names = ("expected_first_seconds", "expected_seconds")
    add = viewer(client)
    found = []
    for clicked in (kept, CLICKS[0], CLICKS[0]):
        assert add(*clicked).status_code == 200
        server = client.get("/api/server").json()
        found.append([server[name] is not None for name in names])
    assert found == [[False, False], [True, False], [True, True]]
