"""A network of several channels: each channel is shown and recognised, and masks equal those of promise-predict."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from starlette.testclient import TestClient

from promise_cli.preprocess.command import preprocess
from promise_cli.serve.app import make_app
from promise_cli.serve.serve_request import ServeRequest
from promise_cli.serve.service import Service
from promise_cli.session.predictor import Predictor
from promise_cli.train import TrainRequest, train
from tests.balls import predict
from tests.channels import write_channels
from tests.conftest import RUN
from tests.fuzz_serve import npy
from tests.test_serve.predicted import predicted
from tests.test_serve.test_page_api import begin, click

CLICKS = [((13, 12, 9), 1), ((15, 13, 10), 1)]


@pytest.mark.slow
def test_a_scan_of_several_channels_is_shown_clicked_recognised_and_saved(in_folder: Path) -> None:
    write_channels(Path("Task98_Balls"), "files", 5, 2)
    preprocess("98", workers=0)
    fields = ("patch_size=16", "validation_patches=1", "num_foreground_clicks=2")
    train(TrainRequest(preset="tiny", epochs=1, device="cpu", workers=0, fields=fields))
    Path("imgs").mkdir()
    for path in Path("Task98_Balls/imagesTr").glob("ball_00[13]_*"):
        shutil.copy(path, "imgs")
    service = Service(ServeRequest(images=Path("imgs"), device="cpu"), Predictor.load(RUN, "cpu"))
    client = TestClient(make_app(service), base_url="http://localhost")
    assert [row["name"] for row in client.get("/api/scans").json()["scans"]] == [
        "ball_001",
        "ball_003",
    ]
    stored = [
        np.asanyarray(nib.load(f"imgs/ball_003_000{number}.nii.gz").dataobj) for number in (0, 1)
    ]
    for number, voxels in enumerate(stored, 1):
        query = f"order=stored&channel={number}"
        head = client.get(f"/api/scans/ball_003?{query}").json()
        assert (head["kind"], head["channels"]) == (("CT", "T2")[number - 1], ["CT", "T2"])
        sent = client.get(f"/api/scans/ball_003/voxels?{query}").content
        assert np.array_equal(np.frombuffer(sent, "<i2").reshape(voxels.shape, order="F"), voxels)
    for wrong in ("0", "3", "x", "-1"):
        assert client.get(f"/api/scans/ball_003?channel={wrong}").status_code == 422
    session = begin(client, "ball_003", order="stored")["session"]
    for point, sign in CLICKS:
        click(client, session, list(point), sign)
    whole = client.get(f"/api/sessions/{session}/mask").content
    mask = np.frombuffer(whole, np.uint8).reshape(stored[0].shape)
    assert client.post(f"/api/sessions/{session}/save", json={}).status_code == 200
    again = predict("-p", "predictions/imgs/clicks")
    assert "1 case was finished before with the same clicks and is kept" in again.output
    assert np.array_equal(mask, predicted(CLICKS, "ball_003"))
    for voxels in stored:
        file = {"file": ("f", npy(voxels.T))}
        assert client.post("/upload_image", files=file).json() == {"status": "ok"}
        for point, sign in CLICKS:
            fields = {"voxel_coord": list(point)[::-1], "positive_click": bool(sign)}
            done = client.post("/add_point_interaction", json=fields)
        bits = np.unpackbits(np.frombuffer(done.content, np.uint8))[: mask.size]
        assert np.array_equal(bits.reshape(voxels.shape[::-1]).T, mask)
    unknown = {"file": ("f", npy(stored[0].T + 1))}
    refused = client.post("/upload_image", files=unknown).json()["message"]
    assert "the network needs 2 channels" in refused
    assert in_folder.exists()
