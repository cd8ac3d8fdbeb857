"""Uploaded voxels are found among the scans in any order of axes. Voxels of an unknown scan need a spacing."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from starlette.testclient import TestClient

from promise_cli.errors import PromiseError
from promise_cli.serve.app import make_app
from promise_cli.serve.array_axes import REVERSED, STORED, ArrayAxes, all_axes
from promise_cli.serve.packed import pack, unpack
from promise_cli.serve.recognise import recognise
from promise_cli.serve.service import Service
from promise_cli.serve.strokes import deepest_in, points_along
from tests.conftest import write_nifti
from tests.fuzz_serve import npy
from tests.test_serve.predicted import CLICKS, predicted
from tests.test_serve.test_viewers import in_slicer, voxels


@pytest.mark.parametrize("axes", [*all_axes((4, 3, 2), (4, 3, 2)), REVERSED], ids=str)
def test_axes_convert_arrays_indices_and_boxes_alike(axes: ArrayAxes) -> None:
    stored = np.arange(24).reshape(4, 3, 2)
    array = axes.array_of(stored)
    assert array.shape == axes.shape_of((4, 3, 2))
    assert np.array_equal(axes.stored_of(array), stored)
    for index in np.ndindex(array.shape):
        voxel = tuple(int(n) for n in axes.stored_index(index, (4, 3, 2)))
        assert array[index] == stored[voxel]
        assert axes.index_of(voxel, (4, 3, 2)) == index
    box = ((1, 3), (0, 2), (1, 2))
    spans = axes.spans(box, (4, 3, 2))
    part = axes.array_of(stored[1:3, 0:2, 1:2])
    assert np.array_equal(array[tuple(slice(*span) for span in spans)], part)


def test_every_order_and_direction_of_a_scan_is_recognised(service: Service) -> None:
    stored = voxels()
    for axes in all_axes((26, 20, 28), (28, 26, 20)):
        array = np.ascontiguousarray(axes.array_of(stored).astype(np.float32))
        assert recognise(array, service.scans) == ("ball_007", axes)
    assert recognise(stored.T, service.scans) == ("ball_007", REVERSED)
    assert recognise(stored, service.scans) == ("ball_007", STORED)
    changed = stored.copy()
    changed[27, 25, 19] += 1
    assert recognise(changed, service.scans) is None


def test_voxels_of_two_scans_with_different_affines_are_refused(service: Service) -> None:
    copied = nib.load("imgs/ball_002.nii.gz")
    write_nifti(Path("imgs/copy.nii.gz"), np.asanyarray(copied.dataobj), copied.affine)
    write_nifti(Path("imgs/moved.nii.gz"), voxels(), np.diag([2.0, 2, 2, 1]))
    scans = Service(service.request, service.predictor).scans
    found = recognise(voxels("ball_002"), scans)
    assert found is not None
    assert found[0] in ("ball_002", "copy")
    with pytest.raises(PromiseError, match="those of ball_007 and of moved, whose affines differ"):
        recognise(voxels(), scans)


def test_an_unknown_scan_is_refused_with_advice_that_the_viewer_shows(client: TestClient) -> None:
    other = voxels() + 1
    done = client.post("/upload_image", files={"file": ("f", npy(other.T))}).json()
    reason = (
        "the uploaded scan of 20 x 26 x 28 voxels is none of the scans of this server, and its voxel size is not"
        " known; start promise-serve with -i FOLDER that holds it, or with --spacing I J K"
    )
    assert done == {"status": "error", "message": reason, "detail": reason}
    click = client.post("/add_point_interaction", json={"voxel_coord": [1, 1, 1]}).json()
    assert click["status"] == "error"
    assert "no image was sent" in click["message"]


def test_an_unknown_scan_gets_the_spacing_of_the_option(service: Service) -> None:
    service.request = replace(service.request, spacing=(1.0, 0.9, 1.5))
    client = TestClient(make_app(service), base_url="http://localhost")
    other = voxels() + 1
    file = {"file": ("f", npy(other.T))}
    assert client.post("/upload_image", files=file).json() == {"status": "ok"}
    write_nifti(Path("imgs/ball_007.nii.gz"), other, np.diag([-1.0, -0.9, 1.5, 1]))
    for number, (point, sign) in enumerate(CLICKS, 1):
        mask = in_slicer(client, point, sign)
        assert np.array_equal(mask.T, predicted(CLICKS[:number]))


def test_a_viewer_that_sends_the_spacing_needs_no_option(client: TestClient) -> None:
    lease = {"X-Lease-Token": client.post("/claim").json()["lease_token"]}
    array = (voxels().T + 1)[None].astype(np.float32)
    meta = {"X-Meta": json.dumps({"image_properties": {"spacing": [1.5, 0.9, 1.0]}})}
    assert client.post("/set_image", content=pack(array), headers=lease | meta).status_code == 200
    point = {"coordinates": [9, 12, 13], "include_interaction": True}
    done = client.post("/add_point_interaction", json=point, headers=lease)
    bbox = json.loads(done.headers["X-Meta"])["bbox"]
    mask = np.zeros(array.shape[1:], np.uint8)
    part = unpack(done.content, (3,))
    mask[tuple(slice(*span) for span in bbox)] = part
    write_nifti(Path("imgs/ball_007.nii.gz"), voxels() + 1, np.diag([-1.0, -0.9, 1.5, 1]))
    assert np.array_equal(mask.T, predicted(CLICKS[:1]))


def test_a_scribble_is_points_along_it_and_a_lasso_its_deepest_point() -> None:
    line = np.zeros((20, 20, 5), np.uint8)
    line[2:17, 7, 3] = 1
    assert points_along(line) == [(3, 7, 3), (6, 7, 3), (9, 7, 3), (12, 7, 3), (15, 7, 3)]
    dot = np.zeros((20, 20, 5), np.uint8)
    dot[4, 4, 4] = 1
    assert points_along(dot) == [(4, 4, 4)]
    ring = np.zeros((20, 20, 5), np.uint8)
    ring[4:13, 6:15, 2] = 1
    ring[5:12, 7:14, 2] = 0
    assert deepest_in(ring) == [(8, 10, 2)]
    for stroke in (points_along, deepest_in):
        with pytest.raises(PromiseError, match="the stroke is empty"):
            stroke(np.zeros((3, 3, 3), np.float32))


def test_boxes_and_strokes_of_3d_slicer_are_clicks(client: TestClient) -> None:
    client.post("/upload_image", files={"file": ("f", npy(voxels().T))})
    wanted = in_slicer(client, (13, 12, 9))
    empty = {"file": ("f", gzip.compress(npy(np.zeros_like(wanted))))}
    client.post("/upload_segment", files=empty)
    box = {"outer_point_one": [9, 10, 11], "outer_point_two": [9, 14, 15], "positive_click": True}
    done = client.post("/add_bbox_interaction", json=box)
    assert np.array_equal(_unpacked(done, wanted), wanted)
    client.post("/upload_segment", files=empty)
    ring = np.zeros_like(wanted)
    ring[9, 9:16, 10:17] = 1
    ring[9, 10:15, 11:16] = 0
    lasso = {"file": ("f", gzip.compress(npy(ring)))}
    done = client.post("/add_lasso_interaction", files=lasso, data={"positive_click": "true"})
    assert np.array_equal(_unpacked(done, wanted), wanted)


def test_a_segment_that_slicer_sends_back_brings_back_its_clicks(client: TestClient) -> None:
    client.post("/upload_image", files={"file": ("f", npy(voxels().T))})
    first = in_slicer(client, *CLICKS[0])
    in_slicer(client, *CLICKS[1])
    sent = {"file": ("f", gzip.compress(npy(first.astype(bool))))}
    assert client.post("/upload_segment", files=sent).json() == {"status": "ok"}
    third = in_slicer(client, *CLICKS[2])
    assert np.array_equal(third.T, predicted([CLICKS[0], CLICKS[2]]))


def _unpacked(done, like: np.ndarray) -> np.ndarray:
    assert done.status_code == 200, done.text
    return np.unpackbits(np.frombuffer(done.content, np.uint8))[: like.size].reshape(like.shape)
