"""Clicks name objects; their masks are merged into one, which is scored by the objects' names."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from promise_cli import Predictor
from promise_cli.cli import predict_app, train_app
from promise_cli.dataset.objects import TargetObject
from promise_cli.errors import PromptError
from promise_cli.evaluate.command import evaluate
from promise_cli.evaluate.trained import means_of, trained_scores
from promise_cli.geometry.patch import Patch
from promise_cli.predictions.objects import clicks_on_objects
from promise_cli.predictions.record import read_record
from promise_cli.prompts import Click, Lesion, read_prompts
from promise_cli.session.objects import merge_objects
from promise_cli.session.prediction import Prediction
from promise_cli.train import TrainRequest, train
from promise_cli.volume import scan_of_array
from tests.shapes import NESTED, SHAPES, values_of
from tests.standins import PerfectWindow, predictor_of

BALL = TargetObject(name="Ball", values=(1,), mask_value=1)
BOX = TargetObject(name="Box", values=(2,), mask_value=2)
WHOLE = TargetObject(name="whole", values=(1, 2, 3), mask_value=1)
CORE = TargetObject(name="core", values=(2, 3), mask_value=2)
RUN = Path("results") / SHAPES / "fold_0"


@pytest.fixture
def root(shapes_workspace: Path) -> Path:
    """Return the current folder, a copy of the workspace with the scans of both objects in `imgs`."""
    shutil.copytree(f"{SHAPES}/imagesTr", "imgs")
    return shapes_workspace


def _predict(*arguments: object, task: str = SHAPES):
    line = ["-d", task, "--device", "cpu", *map(str, arguments)]
    return CliRunner().invoke(predict_app, line)


def _prediction(value: float, *place: slice) -> Prediction:
    """Return a prediction with one probability in a part of a cube of 4^3 voxels; without a part, in all of it."""
    i, j, k = place or (slice(0, 4),) * 3
    shape = tuple(part.stop - part.start for part in (i, j, k))
    found = np.full(shape, value, dtype=np.float32)
    return Prediction(found, (i, j, k), (4, 4, 4), (Patch((0, 0, 0), (4, 4, 4)),))


def _merged(*found: tuple[TargetObject, float, tuple[slice, ...]]) -> np.ndarray:
    objects = tuple(dict.fromkeys(one for one, _, _ in found))
    predictions = {
        Lesion(one.mask_value, one.name, number): _prediction(value, *place)
        for number, (one, value, place) in enumerate(found, 1)
    }
    scan = scan_of_array(np.zeros((4, 4, 4), np.float32), np.eye(4), "RAS")
    return merge_objects(predictions, objects, scan)


HALF = (slice(0, 2), slice(0, 4), slice(0, 4))


def test_of_two_separate_objects_the_more_probable_one_gets_a_voxel() -> None:
    mask = _merged((BALL, 0.7, ()), (BOX, 0.9, HALF))
    assert (mask[:2] == 2).all()
    assert (mask[2:] == 1).all()
    assert (_merged((BALL, 0.9, ()), (BOX, 0.7, HALF)) == 1).all()
    assert (_merged((BALL, 0.4, ()), (BOX, 0.45, HALF)) == 0).all()


def test_an_object_within_another_wins_over_it() -> None:
    mask = _merged((WHOLE, 0.99, ()), (CORE, 0.6, HALF))
    assert (mask[:2] == 2).all()
    assert (mask[2:] == 1).all()
    alone = _merged((WHOLE, 0.3, ()), (CORE, 0.6, HALF))
    assert (alone[:2] == 2).all()
    assert (alone[2:] == 0).all()


def test_lesions_of_one_object_are_joined() -> None:
    rest = (slice(2, 4), slice(0, 4), slice(0, 4))
    assert (_merged((BALL, 0.6, HALF), (BALL, 0.9, rest)) == 1).all()


CLICKS = [
    Click((1, 1, 1), lesion=Lesion(7, "box", 1)),
    Click((2, 2, 2), lesion=Lesion(1, "", 2, "1")),
]


def test_clicks_ask_for_objects_by_name_or_value() -> None:
    found = clicks_on_objects(CLICKS, (BALL, BOX), None, "c")
    assert [click.lesion for click in found] == [Lesion(2, "Box", 1), Lesion(1, "Ball", 2)]
    (only,) = clicks_on_objects([Click((1, 1, 1))], (BOX,), None, "c")
    assert only.lesion == Lesion(2, "Box", 1)
    (given,) = clicks_on_objects([Click((1, 1, 1))], (BALL, BOX), BOX, "c")
    assert given.lesion == Lesion(2, "Box", 1)


@pytest.mark.parametrize(
    ("lesion", "message"),
    [
        (Lesion(), "c: a click does not say which object it is on; name one of Ball (1), Box (2)"),
        (Lesion(1, "Cone"), "c: 'Cone' is no object of the network; use one of Ball (1), Box (2)"),
        (Lesion(9, "", 1, "9"), "c: '9' is no object of the network; use one of Ball (1), Box (2)"),
        (Lesion(2, "Ball", 1, "2"), "c: object Ball has value 2, but the network's Ball has 1;"),
    ],
)
def test_a_click_that_names_no_object_is_refused(lesion: Lesion, message: str) -> None:
    with pytest.raises(PromptError) as caught:
        clicks_on_objects([Click((1, 1, 1), lesion=lesion)], (BALL, BOX), None, "c")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("names", [["box"], ["Box", "ball"]])
def test_point_lists_of_slicer_ask_for_objects_by_name(tmp_path: Path, names: list[str]) -> None:
    point = {"position": [1.0, 2.0, 3.0], "label": "F-1"}
    lists = [{"type": "Fiducial", "name": name, "controlPoints": [point]} for name in names]
    path = tmp_path / "c.mrk.json"
    path.write_text(json.dumps({"@schema": "markups-schema-v1.0.3", "markups": lists}))
    (clicks,) = read_prompts(path).values()
    found = clicks_on_objects(clicks, (BALL, BOX), None, "c")
    assert [click.lesion.name for click in found] == [name.capitalize() for name in names]


def test_a_session_keeps_the_clicks_on_each_object_apart() -> None:
    predictor = predictor_of(
        16, PerfectWindow(), target_labels=(1, 2), target_name="Ball, Box", objects=(BALL, BOX)
    )
    scan = np.full((30, 16, 16), -50.0)
    scan[4:8, 6:10, 6:10] = scan[20:26, 6:10, 6:10] = 100.0
    session = predictor.open(scan, affine=np.eye(4))
    with pytest.raises(
        PromptError, match=r"which object it is on; give object=\.\.\., one of Ball"
    ):
        session.click((5, 7, 7))
    with pytest.raises(PromptError, match="'Cone' is no object of the network"):
        session.click((5, 7, 7), object="Cone")
    ball = session.click((5, 7, 7), object="Ball")
    box = session.click((22, 7, 7), object=2)
    assert (ball.sum(), box.sum()) == (4**3, 6 * 4 * 4)
    assert np.bincount(session.label_mask.ravel())[1:].tolist() == [4**3, 6 * 4 * 4]
    assert [click.lesion.name for click in session.clicks] == ["Ball", "Box"]
    session.undo()
    assert (session.mask == ball).all()
    assert set(np.unique(session.label_mask)) == {0, 1}
    with pytest.raises(PromptError, match="segment the object that is clicked"):
        session.slide()


def test_a_session_of_one_target_takes_no_object() -> None:
    session = predictor_of(16, PerfectWindow()).open(np.zeros((8, 8, 8)), affine=np.eye(4))
    with pytest.raises(PromptError, match="segment one target; leave out object='Ball'"):
        session.click((4, 4, 4), object="Ball")


def test_a_saved_session_holds_all_objects(root: Path) -> None:
    session = Predictor.load(RUN, device="cpu").open("imgs/c_1.nii.gz")
    session.click((8, 9, 8), object="Ball")
    session.save(root / "both.nii.gz")
    assert set(np.unique(values_of("both.nii.gz"))) == {0, 1}


def test_test_cases_get_a_click_on_each_object_and_are_scored_by_name(root: Path) -> None:
    done = _predict("--test-cases", "--fold", 0)
    assert done.exit_code == 0, done.output
    folder = root / "predictions" / f"{SHAPES}_fold_0"
    record = read_record(folder)
    assert record is not None
    assert (record.objects, record.values) == ((BALL, BOX), (1, 2))
    for case in record.cases:
        names = ["Ball", "Box"][: 1 if case.case_id == "c_6" else 2]
        assert [lesion.name for lesion in case.lesions] == names
        label = values_of(f"{SHAPES}/labelsTr/{case.case_id}.nii.gz")
        for click in case.clicks:
            assert label[click.voxel] == click.value
        assert set(np.unique(values_of(folder / case.mask))) <= {0, 1, 2}
    report = evaluate(page=False, workers=0)
    assert [(label.label, label.name) for label in report.summary.labels] == [
        (1, "Ball"),
        (2, "Box"),
    ]
    assert len(report.cases) == 2 * len(record.cases)


def test_a_region_is_scored_as_a_union(root: Path) -> None:
    done = _predict("--test-cases", "--fold", 0, task=NESTED)
    assert done.exit_code == 0, done.output
    folder = root / "predictions" / f"{NESTED}_fold_0"
    report = evaluate(page=False, workers=0)
    assert [label.name for label in report.summary.labels] == ["whole", "core", "active"]
    score = next(case for case in report.cases if case.name == "whole")
    mask = values_of(folder / f"{score.case_id}.nii.gz") > 0
    label = values_of(root / NESTED / "labelsTr" / f"{score.case_id}.nii.gz")
    truth = (label > 0) & (label < 4)
    assert score.label == "1+2+3"
    assert score.dice == pytest.approx(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
    record = read_record(folder)
    assert record is not None
    sizes = {lesion.name: lesion.num_voxels for lesion in record.cases[0].lesions}
    assert sizes["whole"] >= sizes["core"] >= sizes["active"] > 0
    assert all(click.in_mask for click in record.cases[0].clicks)


def test_the_test_scores_of_a_run_have_the_names_of_the_objects(root: Path) -> None:
    scored = json.loads((root / RUN / "metrics.json").read_text())
    assert {(case["label"], case["name"]) for case in scored["cases"]} == {(1, "Ball"), (2, "Box")}
    assert "validation Dice by object: Ball 0." in (root / RUN / "train.log").read_text()


def test_runs_are_listed_with_the_mean_over_cases_and_objects(root: Path) -> None:
    scored = json.loads((root / RUN / "metrics.json").read_text())
    number, dice, nsd = means_of(trained_scores(root / RUN))
    assert number == len({case["case_id"] for case in scored["cases"]})
    assert dice == pytest.approx(scored["summary"]["overall"]["dice"]["mean"])
    assert nsd == pytest.approx(scored["summary"]["overall"]["nsd"]["5.0"]["mean"])


@pytest.mark.slow
def test_an_object_that_is_not_in_a_test_case_has_no_value(root: Path) -> None:
    path = root / "preprocessed" / SHAPES / "splits.json"
    splits = json.loads(path.read_text())
    splits["folds"][0] = {"train": ["c_1", "c_2"], "val": [], "test": ["c_5", "c_6"]}
    path.write_text(json.dumps(splits))
    fields = ("patch_size=32",)
    run = train(
        TrainRequest(
            task=SHAPES,
            preset="tiny",
            epochs=1,
            patches_per_case=1,
            device="cpu",
            fields=fields,
            name="few",
            root=root,
        )
    )
    scores = trained_scores(run)
    assert [(score.case_id, score.name, score.status) for score in scores] == [
        ("c_5", "Ball", "ok"),
        ("c_5", "Box", "ok"),
        ("c_6", "Ball", "ok"),
        ("c_6", "Box", "both_empty"),
    ]


def test_a_point_needs_an_object(root: Path) -> None:
    del root
    line = ("-i", "imgs/c_1.nii.gz", "--point", 8, 9, 8)
    done = _predict(*line)
    assert done.exit_code == 1
    assert "case c_1: a click does not say which object it is on; name one of Ball" in done.output
    assert not Path("predictions/c_1/c_1.nii.gz").exists()
    done = _predict(*line, "--object", "ball", "--save-prob")
    assert done.exit_code == 0, done.output
    assert set(np.unique(values_of("predictions/c_1/c_1.nii.gz"))) == {0, 1}
    done = _predict(*line, "--object", "Box")
    assert "predicted again" in done.output, done.output
    assert set(np.unique(values_of("predictions/c_1/c_1.nii.gz"))) == {0, 2}
    assert _predict(*line, "--object", "Cone").exit_code == 1


def test_click_files_name_objects_and_a_bad_case_does_not_stop_others(root: Path) -> None:
    cases = {
        "c_1": {
            "objects": [{"name": "Box", "points": [19, 10, 8]}, {"value": 1, "points": [8, 9, 8]}]
        },
        "c_2": [8, 9, 8],
    }
    content = {"format": "promise-points", "version": 1, "cases": cases}
    Path("points.json").write_text(json.dumps(content))
    done = _predict("-i", "imgs", "-p", "points.json", "--write-points", "back.json")
    assert done.exit_code == 1
    assert "case c_2: a click does not say which object it is on" in done.output
    record = read_record(root / "predictions" / "imgs")
    assert record is not None
    (case,) = record.cases
    assert [(lesion.name, lesion.value) for lesion in case.lesions] == [("Box", 2), ("Ball", 1)]
    assert "finished before" in _predict("-i", "imgs", "-p", "points.json").output


def test_an_object_that_nobody_clicked_is_named_when_it_is_scored(root: Path) -> None:
    done = _predict("-i", "imgs/c_1.nii.gz", "--point", 8, 9, 8, "--object", "Ball")
    assert done.exit_code == 0, done.output
    report = evaluate(root / "predictions" / "c_1", page=False, workers=0)
    assert [score.dice > 0 for score in report.cases] == [True, False]
    (warning,) = report.warnings
    assert warning.startswith("1 object of the labels got no click")
    assert warning.endswith("Box of c_1")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            ("-i", "imgs", "--auto"),
            "segments the object that is clicked (Ball (1), Box (2)); click",
        ),
        (("--test-cases", "--object", "Ball"), "--object says on which object the clicks of"),
    ],
)
def test_options_that_do_not_suit_several_objects_are_refused(
    root: Path, line: tuple[str, ...], message: str
) -> None:
    del root
    done = _predict(*line)
    assert done.exit_code == 1
    assert message in " ".join(done.output.split())


def test_a_network_of_one_target_takes_no_object(balls: Path) -> None:
    del balls
    line = ["-i", "imgs/ball_001.nii.gz", "--point", "14", "13", "10", "--object", "Ball"]
    done = CliRunner().invoke(predict_app, [*line, "--device", "cpu"])
    assert done.exit_code == 1
    assert "segments one target, tumour; leave --object out" in done.output


def test_several_objects_need_a_network_that_takes_clicks(root: Path) -> None:
    del root
    line = ["96", "-f", "0", "--network", "segresnet", "--preset", "tiny", "--device", "cpu"]
    done = CliRunner().invoke(train_app, line)
    assert done.exit_code == 1
    assert "--network segresnet: takes no clicks, so it cannot know which of 2 obj" in done.output
