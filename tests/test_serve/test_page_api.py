"""The API of the page: scans, clicks, masks, and saved files that equal those of promise-predict."""

import base64
import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app
from promise_cli.prompts import read_prompts
from promise_cli.serve.service import Service
from tests.balls import mask_of, predict
from tests.test_serve.predicted import CLICKS, predicted


def begin(client: TestClient, scan: str = "ball_007", **fields: object) -> dict:
    """Begin a session with one lesion, and return its state."""
    done = client.post("/api/sessions", json={"scan": scan, "lesions": [{}], **fields})
    assert done.status_code == 200, done.text
    return done.json()


def click(
    client: TestClient,
    session: str,
    point: object,
    sign: int = 1,
    lesion: int = 1,
    **fields: object,
) -> dict:
    fields |= {"point": point, "sign": sign}
    done = client.post(f"/api/sessions/{session}/lesions/{lesion}/clicks", json=fields)
    assert done.status_code == 200, done.text
    return done.json()


def paste(mask: np.ndarray, changed: dict | None) -> None:
    if changed is not None:
        spans = tuple(slice(low, high) for low, high in changed["box"])
        values = gzip.decompress(base64.b64decode(changed["values"]))
        mask[spans] = np.frombuffer(values, np.uint8).reshape(mask[spans].shape)


def test_clicks_in_the_page_give_the_mask_of_promise_predict(client: TestClient) -> None:
    state = begin(client, order="stored")
    mask = np.zeros(state["shape"], np.uint8)
    for number, (point, sign) in enumerate(CLICKS, 1):
        paste(mask, click(client, state["session"], list(point), sign)["changed"])
        wanted = predicted(CLICKS[:number])
        assert 0 < wanted.sum() < wanted.size
        assert np.array_equal(mask, wanted)
    paste(mask, client.post(f"/api/sessions/{state['session']}/lesions/1/undo").json()["changed"])
    assert np.array_equal(mask, predicted(CLICKS[:2]))
    whole = client.get(f"/api/sessions/{state['session']}/mask?lesion=1").content
    assert np.array_equal(np.unpackbits(np.frombuffer(whole, np.uint8))[: mask.size], mask.ravel())
    paste(mask, client.post(f"/api/sessions/{state['session']}/lesions/1/clear").json()["changed"])
    assert not mask.any()


def test_voxels_and_clicks_in_ras_order_lie_at_the_same_place_in_space(client: TestClient) -> None:
    head = client.get("/api/scans/ball_007?order=ras").json()
    assert head["orientation"] == "RAS"
    sent = client.get("/api/scans/ball_007/voxels?order=ras&type=int16")
    array = np.frombuffer(sent.content, "<i2").reshape(head["shape"], order="F")
    image = nib.load("imgs/ball_007.nii.gz")
    stored = np.asanyarray(image.dataobj)
    closest = nib.as_closest_canonical(image)
    assert np.array_equal(array, np.asanyarray(closest.dataobj))
    assert np.allclose(head["affine"], closest.affine, atol=1e-4)
    assert [head["range"]] == [[stored.min(), stored.max()]]
    (i, j, k), _ = CLICKS[0]
    world = image.affine @ [i, j, k, 1]
    ras = np.rint(np.linalg.inv(closest.affine) @ world)[:3].astype(int).tolist()
    lps = (world[:3] * [-1, -1, 1]).tolist()
    state = begin(client, order="ras")
    wanted = predicted(CLICKS[:1])
    for point, space in ((ras, "voxel"), (world[:3].tolist(), "RAS"), (lps, "LPS")):
        mask = np.zeros(head["shape"], np.uint8)
        change = click(client, state["session"], point, space=space)
        paste(mask, change["changed"])
        assert change["lesions"][0]["clicks"][0]["point"] == ras
        turned = nib.as_closest_canonical(nib.Nifti1Image(wanted, image.affine))
        assert np.array_equal(mask, np.asanyarray(turned.dataobj))
        assert change["lesions"][0]["ml"] == pytest.approx(wanted.sum() * 1.35e-3, rel=1e-3)
        client.post(f"/api/sessions/{state['session']}/lesions/1/clear")


def test_what_is_saved_is_what_promise_predict_writes(client: TestClient) -> None:
    state = begin(client, order="stored")
    session = state["session"]
    for point, sign in CLICKS:
        click(client, session, list(point), sign)
    done = client.post(f"/api/sessions/{session}/save", json={})
    assert done.status_code == 200, done.text
    files = [Path(name) for name in done.json()["files"]]
    folder = Path("predictions/imgs").resolve()
    assert [path.resolve() for path in files] == [
        folder / "ball_007.nii.gz",
        folder / "clicks" / "ball_007.json",
        folder / "markups" / "ball_007.mrk.json",
    ]
    mine = files[0].read_bytes()
    assert np.array_equal(mask_of(str(files[0])), predicted(CLICKS))
    for place in (files[1], files[2]):
        (found,) = read_prompts(place).values() if place.suffixes[0] == ".json" else [None]
        assert found is None or len(found) == 3
    again = predict("-p", "predictions/imgs/clicks")
    assert again.exit_code == 0, again.output
    assert "1 case was finished before with the same clicks and is kept" in again.output
    by_markups = predict("-p", "predictions/imgs/markups", "-o", "by_markups")
    assert by_markups.exit_code == 0, by_markups.output
    assert np.array_equal(mask_of("by_markups/ball_007.nii.gz"), predicted(CLICKS))
    assert files[0].read_bytes() == mine
    scored = CliRunner().invoke(
        evaluate_app, ["predictions/imgs", "Task98_Balls", "--workers", "0"]
    )
    assert scored.exit_code == 0, scored.output
    assert [row["saved"] for row in client.get("/api/scans").json()["scans"]] == [
        False,
        False,
        True,
    ]


def test_several_lesions_are_saved_with_their_names_and_values(client: TestClient) -> None:
    state = begin(client, lesions=[{"name": "left", "colour": "#ff0000"}], order="stored")
    session = state["session"]
    click(client, session, [13, 12, 9])
    added = client.post(f"/api/sessions/{session}/lesions", json={"name": "right"}).json()
    assert added["lesion"] == 2
    both = click(client, session, [4, 20, 15], lesion=2)
    assert [one["name"] for one in both["lesions"]] == ["left", "right"]
    values = np.frombuffer(client.get(f"/api/sessions/{session}/mask").content, np.uint8)
    done = client.post(f"/api/sessions/{session}/save", json={}).json()
    assert [one["name"] for one in done["lesions"]] == ["left", "right"]
    saved = mask_of("predictions/imgs/ball_007.nii.gz")
    assert np.array_equal(values.reshape(saved.shape), saved)
    assert np.array_equal(saved, _by_predict("predictions/imgs/clicks"))
    sizes = [int((saved == value).sum()) for value in (1, 2)]
    assert [one["ml"] for one in both["lesions"]] == pytest.approx(
        [size * 1.35e-3 for size in sizes], rel=1e-3, abs=1e-4
    )


def test_lesions_keep_their_values_when_another_one_is_removed(client: TestClient) -> None:
    session = begin(client, lesions=[{}, {}, {"name": "third"}], order="stored")["session"]
    for lesion, point in enumerate(([4, 20, 15], [13, 12, 9], [16, 14, 11]), 1):
        click(client, session, point, lesion=lesion)
    left = client.delete(f"/api/sessions/{session}/lesions/1").json()
    assert [one["lesion"] for one in left["lesions"]] == [2, 3]
    assert client.post(f"/api/sessions/{session}/save", json={}).status_code == 200
    assert set(np.unique(mask_of("predictions/imgs/ball_007.nii.gz"))) <= {0, 2, 3}
    again = predict("-p", "predictions/imgs/clicks")
    assert "1 case was finished before with the same clicks and is kept" in again.output


def _by_predict(clicks: str) -> np.ndarray:
    done = predict("-p", clicks, "-o", "again")
    assert done.exit_code == 0, done.output
    return mask_of("again/ball_007.nii.gz")


def test_a_second_scan_is_saved_next_to_the_first(client: TestClient) -> None:
    for scan in ("ball_002", "ball_003"):
        session = begin(client, scan)["session"]
        click(client, session, [13, 13, 9])
        assert client.post(f"/api/sessions/{session}/save", json={}).status_code == 200
    listed = predict("-p", "predictions/imgs/clicks")
    assert "2 cases were finished before with the same clicks and are kept" in listed.output


def test_an_edited_mask_and_a_file_of_others_are_not_replaced(client: TestClient) -> None:
    session = begin(client)["session"]
    place = f"/api/sessions/{session}/save"
    assert client.post(place, json={}).json()["detail"] == (
        "ball_007: there is no click; click on the target first"
    )
    click(client, session, [13, 12, 9])
    markups = Path("predictions/imgs/markups/ball_007.mrk.json")
    markups.parent.mkdir(parents=True)
    markups.write_text("mine")
    refused = client.post(place, json={"overwrite": True})
    assert refused.status_code == 422
    assert "markups/ball_007.mrk.json: exists already, and was not written by" in refused.text
    assert not Path("predictions/imgs/ball_007.nii.gz").exists()
    markups.unlink()
    assert client.post(place, json={}).status_code == 200
    path = Path("predictions/imgs/ball_007.nii.gz")
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj) * 0, image.affine, image.header), path)
    click(client, session, [14, 12, 9])
    assert "was edited after promise-predict wrote it" in client.post(place, json={}).text
    assert client.post(place, json={"overwrite": True}).status_code == 200
    assert mask_of(str(path)).any()


def test_a_click_that_cannot_be_used_changes_nothing(client: TestClient) -> None:
    session = begin(client)["session"]
    for fields, reason in (
        ({"point": [99, 0, 0]}, "lies outside the scan"),
        ({"point": [1, 1, 1], "sign": 0}, "all clicks are background"),
        ({"point": [1, 1]}, "three numbers are needed"),
        ({"point": [1, 1, float("inf")]}, "three numbers are needed"),
        ({"point": [1, 1, 1], "space": "XYZ"}, "use one of voxel, RAS, LPS"),
        ({"point": [1, 1, 1], "sign": 2}, "use 1 for a click on the target or 0"),
    ):
        done = client.post(
            f"/api/sessions/{session}/lesions/1/clicks", content=json.dumps(fields).encode()
        )
        assert done.status_code == 422
        assert reason in done.json()["detail"]
    assert client.get(f"/api/sessions/{session}").json()["lesions"][0]["clicks"] == []


def test_the_answer_says_what_looks_odd_about_a_click(client: TestClient) -> None:
    path = Path("imgs/ball_007.nii.gz")
    image = nib.load(path)
    array = np.asanyarray(image.dataobj).copy()
    array[2, 2, 2] = -1024
    nib.save(nib.Nifti1Image(array, image.affine, image.header), path)
    session = begin(client, order="stored")["session"]
    (first, second) = click(client, session, [2, 2, 2])["questions"]
    assert first.startswith(
        "the click (2, 2, 2) voxel lies on intensity -1024, which looks like air (tissue has"
    )
    assert second == (
        "the click (2, 2, 2) of the file lies outside the mask; is it where it should be?"
    )


def test_a_session_that_ended_is_continued_with_its_lesions(
    client: TestClient, service: Service
) -> None:
    state = begin(client, order="ras")
    before = click(client, state["session"], [13, 12, 9])
    service.sessions.end(state["session"])
    gone = client.get(f"/api/sessions/{state['session']}")
    assert gone.status_code == 410
    assert "begin a new one (saved masks are kept)" in gone.text
    after = begin(client, lesions=before["lesions"], order="ras")
    assert after["changed"] == before["changed"]
    assert after["lesions"] == before["lesions"]
    third = begin(client, lesions=[{"lesion": 3, "name": "a"}, {}], order="ras")
    assert [one["lesion"] for one in third["lesions"]] == [3, 1]
    for lesions in ([{"lesion": 2}, {"lesion": 2}], [{"lesion": 0}], [{"lesion": True}], ["x"]):
        done = client.post("/api/sessions", json={"scan": "ball_007", "lesions": lesions})
        assert done.status_code == 422


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
