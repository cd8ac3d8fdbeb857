"""promise-evaluate --clicks with a network of several objects: each object of each case is clicked and scored."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from promise_cli import Predictor
from promise_cli.cli import evaluate_app, predict_app
from promise_cli.predictions.record import read_record
from promise_cli.scores.metrics import dice
from tests.shapes import NESTED, SHAPES, values_of

VALUES = {"whole": (1, 2, 3), "core": (2, 3), "active": (3,)}


def study(task: str, *arguments: object) -> tuple[str, dict]:
    line = ["--clicks", "1", "2", "-d", task, "-f", "0", "--device", "cpu", *map(str, arguments)]
    done = CliRunner().invoke(evaluate_app, line)
    assert done.exit_code == 0, done.output
    found = json.loads((Path("results") / task / "fold_0" / "clicks" / "clicks.json").read_text())
    return done.stdout, found


def test_each_object_of_each_case_is_clicked_and_scored_by_name(shapes_workspace: Path) -> None:
    said, found = study(NESTED, "--strategies", "random", "largest-error")
    assert [(one["object"], one["strategy"]) for one in found["curves"]] == [
        (name, strategy) for name in VALUES for strategy in ("random", "largest-error")
    ]
    assert [one["name"] for one in found["objects"]] == list(VALUES)
    predictor = Predictor.load(shapes_workspace / "results" / NESTED / "fold_0", device="cpu")
    for trial in found["trials"]:
        label = values_of(f"{NESTED}/labelsTr/{trial['case_id']}.nii.gz")
        target = np.isin(label, VALUES[trial["object"]])
        for click in trial["clicks"]:
            assert target[tuple(click["voxel"])] == click["foreground"]
        session = predictor.open(f"{NESTED}/imagesTr/{trial['case_id']}.nii.gz", max_windows=1)
        mask = session.click(trial["clicks"][0]["voxel"], object=trial["object"])
        assert trial["scores"][0]["dice"] == pytest.approx(dice(mask, target))
    means = {one["object"]: one["points"][0]["dice"]["mean"] for one in found["curves"][::2]}
    assert means["whole"] > means["core"] > means["active"] > 0
    for text in ("object", *VALUES, "whole, largest-error: AUC Dice"):
        assert text in said
    folder = shapes_workspace / "results" / NESTED / "fold_0" / "clicks"
    with (folder / "clicks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["object"] for row in rows[::2]] == [one["object"] for one in found["trials"]]
    assert (folder / "clicks.md").read_text().count("\n| core | random |") == 2
    page = (folder / "report.html").read_text()
    assert all(f"Dice of {name}" in page for name in VALUES)


def test_the_first_random_clicks_are_those_of_promise_predict(shapes_workspace: Path) -> None:
    _, found = study(NESTED)
    line = ["--test-cases", "-d", NESTED, "-f", "0", "--device", "cpu"]
    assert CliRunner().invoke(predict_app, line).exit_code == 0
    record = read_record(shapes_workspace / "predictions" / f"{NESTED}_fold_0")
    assert record is not None
    predicted = {
        (case.case_id, lesion.name): list(click.voxel)
        for case in record.cases
        for lesion, click in zip(case.lesions, case.clicks, strict=True)
    }
    studied = {
        (one["case_id"], one["object"]): one["clicks"][0]["voxel"] for one in found["trials"]
    }
    assert studied == predicted


def test_an_object_that_no_test_case_holds_has_no_curve(shapes_workspace: Path) -> None:
    assert shapes_workspace.exists()
    said, found = study(SHAPES)
    assert {one["case_id"] for one in found["trials"]} == {"c_6"}
    assert [one["object"] for one in found["curves"]] == ["Ball"]
    assert "no test case holds Box" in said
