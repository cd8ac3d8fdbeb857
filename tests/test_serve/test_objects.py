"""A network of several objects: lesions of the page and clicks of viewers belong to them, as in promise-predict."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from promise_cli.errors import PromptError
from promise_cli.evaluate.command import evaluate
from promise_cli.predictions.record import read_record
from promise_cli.prompts import Lesion, read_prompts
from promise_cli.serve.app import make_app
from promise_cli.serve.asked_objects import numbers_of
from promise_cli.serve.packed import pack, unpack
from promise_cli.serve.serve_request import ServeRequest
from promise_cli.serve.service import Service
from promise_cli.session.networks import EncodedWindow, Networks
from promise_cli.session.prediction import Prediction
from promise_cli.session.predictor import Predictor
from tests.balls import mask_of, predict
from tests.shapes import NESTED, SHAPES
from tests.test_serve.test_page_api import begin, click
from tests.test_serve.test_viewer_fields import mask_of_itk_snap, of_itk_snap
from tests.test_serve.test_viewers import npy

NAME = "c_1"


@pytest.fixture(params=[SHAPES])
def task(request: pytest.FixtureRequest) -> str:
    """Return the name of the dataset."""
    name: str = request.param
    return name


@pytest.fixture
def place(learned: Path, task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with the scans of a dataset and its run the current one.

    Networks answer with a ball around each foreground click, whose edge is 50 % at 5.3 voxels.
    """

    def ball(
        _: Networks, window: EncodedWindow, clicks: np.ndarray, signs: np.ndarray
    ) -> np.ndarray:
        grid = np.moveaxis(np.indices(window.image.shape[-3:]), 0, -1)
        apart = [((grid - one) ** 2).sum(-1) for one in clicks[signs == 1]]
        return np.exp(-np.min(apart, axis=0) / 40).astype(np.float32)

    monkeypatch.setattr(Networks, "probabilities", ball)
    root = tmp_path / "place"
    shutil.copytree(learned / task, root / task)
    shutil.copytree(learned / task / "imagesTr", root / "imgs")
    shutil.copytree(learned / "results" / task, root / "results" / task)
    monkeypatch.delenv("PROMISE_ROOT", raising=False)
    monkeypatch.chdir(root)
    return root


def served(task: str, **options: object) -> TestClient:
    run = Path("results") / task / "fold_0"
    request = ServeRequest(images=Path("imgs"), run_dir=run, device="cpu", **options)
    service = Service(request, Predictor.load(run / "checkpoint_best.pt", "cpu"))
    return TestClient(make_app(service), base_url="http://localhost")


def saved_mask(client: TestClient, session: str) -> np.ndarray:
    """Save, and return the mask after a comparison with what promise-predict makes of the saved clicks."""
    done = client.post(f"/api/sessions/{session}/save", json={})
    assert done.status_code == 200, done.text
    mask = mask_of(f"predictions/imgs/{NAME}.nii.gz")
    again = predict("-p", "predictions/imgs/clicks")
    assert "1 case was finished before with the same clicks and is kept" in again.output
    for kind in ("clicks", "markups"):
        done = predict("-p", f"predictions/imgs/{kind}", "-o", kind)
        assert done.exit_code == 0, done.output
        assert np.array_equal(mask_of(f"{kind}/{NAME}.nii.gz"), mask)
    files = [Path(folder) / f"{NAME}.nii.gz" for folder in ("predictions/imgs", "clicks")]
    assert files[0].read_bytes() == files[1].read_bytes()
    return mask


def shown_mask(client: TestClient, session: str, values: dict[int, int]) -> np.ndarray:
    """Return the mask of the page, with the values that its lesions have in saved masks."""
    sent = client.get(f"/api/sessions/{session}/mask").content
    numbers = np.frombuffer(sent, np.uint8).reshape(mask_of(f"imgs/{NAME}.nii.gz").shape)
    assert set(np.unique(numbers)) <= {0, *values}
    return np.vectorize(lambda one: values.get(one, 0))(numbers)


def test_lesions_belong_to_objects_and_are_saved_as_by_promise_predict(
    place: Path, task: str
) -> None:
    client = served(task)
    assert client.get("/api/server").json()["objects"] == ["Ball", "Box"]
    state = begin(client, NAME, order="stored", lesions=[{"name": "box"}, {"name": "1"}])
    session = state["session"]
    assert [one["name"] for one in state["lesions"]] == ["Box", "Ball"]
    lesions = f"/api/sessions/{session}/lesions"
    assert client.post(lesions, json={}).json()["lesion"] == 3
    refused = client.post(f"{lesions}/3/clicks", json={"point": [3, 4, 4]})
    assert refused.json()["detail"] == (
        "c_1: choose the object of lesion 3 first: Ball (1), Box (2)"
    )
    wrong = client.patch(f"{lesions}/3", json={"name": "Cone"})
    assert wrong.json()["detail"].startswith("name: 'Cone' is no object of the network; use one of")
    client.patch(f"{lesions}/3", json={"name": "ball"})
    points = ([19, 10, 8], [8, 9, 8], [13, 8, 9])  # the third overlaps both others
    for number, point in enumerate(points, 1):
        state = click(client, session, point, lesion=number)
    mask = saved_mask(client, session)
    assert np.array_equal(shown_mask(client, session, {1: 2, 2: 1, 3: 1}), mask)
    sizes = [one["ml"] / 1.5e-3 for one in state["lesions"]]
    assert [sizes[0], sizes[1] + sizes[2]] == pytest.approx([(mask == 2).sum(), (mask == 1).sum()])
    record = read_record(place / "predictions" / "imgs")
    assert record is not None
    assert [lesion.name for lesion in record.cases[0].lesions] == ["Box", "Ball", "Ball"]
    (clicks,) = read_prompts(Path(f"predictions/imgs/clicks/{NAME}.json")).values()
    assert [one.lesion.name for one in clicks] == ["Box", "Ball", "Ball"]
    report = evaluate(Path("predictions/imgs"), Path(task), page=False, workers=0)
    assert [(case.case_id, case.name) for case in report.cases] == [(NAME, "Ball"), (NAME, "Box")]


@pytest.mark.parametrize("task", [NESTED], indirect=True)
def test_nested_objects_are_saved_as_by_promise_predict(place: Path, task: str) -> None:
    client = served(task)
    names = ["whole", "core", "active"]
    state = begin(client, NAME, order="stored", lesions=[{"name": name} for name in names[::-1]])
    session = state["session"]
    for number, point in ((1, [17, 10, 8]), (2, [14, 10, 8]), (3, [9, 10, 8])):
        state = click(client, session, point, lesion=number)
    mask = saved_mask(client, session)
    assert set(np.unique(mask)) == {0, 1, 2, 3}
    assert np.array_equal(shown_mask(client, session, {3: 1, 2: 2, 1: 3}), mask)
    sizes = [one["ml"] / 1.5e-3 for one in state["lesions"]]
    assert sizes == pytest.approx([(mask >= value).sum() for value in (3, 2, 1)])
    record = read_record(place / "predictions" / "imgs")
    assert record is not None
    assert sizes == pytest.approx([one.num_voxels for one in record.cases[0].lesions])


def test_a_lesion_may_get_another_object_after_its_clicks(place: Path, task: str) -> None:
    assert place.exists()
    client = served(task, object="Box")
    session = begin(client, NAME, order="stored")["session"]
    state = click(client, session, [8, 9, 8])
    assert state["lesions"][0]["name"] == "Box"
    lesion = f"/api/sessions/{session}/lesions/1"
    state = client.patch(lesion, json={"name": "Ball"}).json()
    assert state["lesions"][0]["clicks"] == [{"point": [8, 9, 8], "sign": 1}]
    assert set(np.unique(saved_mask(client, session))) == {0, 1}
    again = begin(client, NAME, order="stored", lesions=state["lesions"])
    assert again["lesions"] == state["lesions"]


def test_an_object_is_divided_among_its_lesions_by_probability() -> None:
    mask = np.zeros((6, 4, 4), np.uint8)
    mask[1:5, 1:3, 1:3], mask[5, 3, 3] = 1, 2
    left, right = (slice(0, 3), slice(0, 4), slice(0, 4)), (slice(2, 5), slice(0, 4), slice(0, 4))
    found = {
        Lesion(1, "Ball", number): Prediction(
            np.full((3, 4, 4), value, np.float32), place, (6, 4, 4), ()
        )
        for number, value, place in ((4, 0.6, left), (7, 0.9, right))
    }
    numbers = numbers_of(mask, found)
    assert [numbers[i, 1, 1] for i in range(6)] == [0, 4, 7, 7, 7, 0]
    assert np.array_equal(numbers > 0, mask == 1)
    numbers = numbers_of(mask, found, (1, 2))
    assert numbers[5, 3, 3] == 4  # none of them reaches it, so it is the first one's


NEEDED = (
    "the network segments several objects (Ball (1), Box (2)); start promise-serve with --object NAME, and click on"
    " this object alone"
)


def test_viewers_say_that_they_need_the_option_object(place: Path, task: str) -> None:
    assert place.exists()
    client, scan = served(task), mask_of(f"imgs/{NAME}.nii.gz")
    lease = {"X-Lease-Token": client.post("/claim").json()["lease_token"]}
    array = pack(scan[None].astype(np.float32))
    for _ in range(2):
        done = client.post("/set_image", content=array, headers=lease)
        assert (done.status_code, done.json()["detail"]) == (503, NEEDED)
    done = client.post("/upload_image", files={"file": ("f", npy(scan.T))}).json()
    assert done == {"detail": NEEDED, "status": "error", "message": NEEDED}
    session = client.get("/start_session").json()["session_id"]
    done = client.post(f"/upload_raw/{session}", **of_itk_snap(scan))
    assert (done.status_code, done.json()["error"]) == (422, NEEDED)


def test_viewers_click_on_the_object_of_the_option(place: Path, task: str) -> None:
    assert place.exists()
    point = (8, 9, 8)
    line = ["-i", f"imgs/{NAME}.nii.gz", "--point", *point, "--object", "Box"]
    done = predict(*line)
    assert done.exit_code == 0, done.output
    wanted = mask_of(f"predictions/{NAME}/{NAME}.nii.gz")
    assert set(np.unique(wanted)) == {0, 2}
    client, scan = served(task, object="2"), mask_of(f"imgs/{NAME}.nii.gz")
    client.post("/upload_image", files={"file": ("f", npy(scan.T))})
    fields = {"voxel_coord": list(point)[::-1], "positive_click": True}
    bits = client.post("/add_point_interaction", json=fields).content
    found = np.unpackbits(np.frombuffer(bits, np.uint8))[: scan.size].reshape(scan.T.shape).T
    assert np.array_equal(found, wanted > 0)
    lease = {"X-Lease-Token": client.post("/claim").json()["lease_token"]}
    client.post("/set_image", content=pack(scan[None].astype(np.float32)), headers=lease)
    fields = {"coordinates": list(point), "include_interaction": True}
    done = client.post("/add_point_interaction", json=fields, headers=lease)
    box = tuple(slice(*span) for span in json.loads(done.headers["X-Meta"])["bbox"])
    assert np.array_equal(unpack(done.content, (3,)), wanted[box] > 0)
    assert (wanted[box] > 0).sum() == (wanted > 0).sum()


def test_itk_snap_chooses_the_object_as_its_model(place: Path, task: str) -> None:
    assert place.exists()
    client, scan = served(task), mask_of(f"imgs/{NAME}.nii.gz")
    models = [one["id"] for one in client.get("/v2/models").json()["models"]]
    assert models == ["promise-1-Ball", "promise-2-Box"]
    assert client.get("/v2/start_session/promise-3-Cone").status_code == 404
    session = client.get(f"/v2/start_session/{models[1]}").json()["session_id"]
    assert client.post(f"/v2/upload_raw/{session}", **of_itk_snap(scan)).status_code == 200
    query = "point=8&point=9&point=8&foreground=true"
    done = client.get(f"/v2/process_point_interaction/{session}?{query}")
    result = mask_of_itk_snap(done, scan.shape)
    assert result[8, 9, 8] == 1
    assert set(np.unique(result)) == {0, 1}


def test_an_unknown_object_is_refused_at_the_start(place: Path, task: str) -> None:
    assert place.exists()
    with pytest.raises(PromptError) as caught:
        served(task, object="Cone")
    assert str(caught.value) == (
        "--object: 'Cone' is no object of the network; use one of Ball (1), Box (2)"
    )


def test_a_network_of_one_target_takes_no_object(service: Service) -> None:
    request = ServeRequest(images=Path("imgs"), device="cpu", object="Ball")
    with pytest.raises(PromptError, match="segments one target, tumour; leave --object out"):
        Service(request, service.predictor)
