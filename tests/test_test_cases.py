"""`promise-predict --test-cases` predicts the test cases of a fold, with clicks that are drawn from their labels."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app, predict_app
from promise_cli.network.checkpoint import load_checkpoint, save_checkpoint
from tests.conftest import DATASET, RUN, edit_json

PREDICTIONS = Path("predictions/Task98_Balls_fold_0")


def predict(*words: object):
    line = ("--test-cases", "--device", "cpu", *words)
    return CliRunner().invoke(predict_app, [str(word) for word in line])


def evaluate(*words: object):
    return CliRunner().invoke(evaluate_app, [str(word) for word in words])


def clicked() -> dict[str, tuple[int, int, int]]:
    cases = json.loads((PREDICTIONS / "predictions.json").read_text())["cases"]
    return {case["case_id"]: tuple(case["clicks"][0]["voxel"]) for case in cases}


@pytest.mark.usefixtures("balls")
def test_the_test_cases_are_predicted_from_clicks_on_their_targets_and_scored() -> None:
    assert predict("--fold", 0).exit_code == 0
    test = json.loads((DATASET / "splits.json").read_text())["folds"][0]["test"]
    found = clicked()
    assert sorted(found) == sorted(test)
    for case, voxel in found.items():
        label = nib.load(f"Task98_Balls/labelsTr/{case}.nii.gz")
        assert np.asarray(label.dataobj)[voxel] == 1
    done = evaluate("--workers", 0, "--no-report")
    assert done.exit_code == 0, done.output
    cases = json.loads((PREDICTIONS / "metrics.json").read_text())["cases"]
    assert [case["case_id"] for case in cases] == sorted(test)
    assert "kept; --overwrite predicts" in predict("--fold", 0).stdout


@pytest.mark.usefixtures("balls")
def test_its_clicks_are_the_first_clicks_of_a_study_with_the_same_seed() -> None:
    assert predict("--seed", 3).exit_code == 0
    words = ("--clicks", 1, "--seed", 3, "--device", "cpu", "-o", "study", "-f", 0)
    assert evaluate(*words).exit_code == 0
    trials = json.loads(Path("study/clicks.json").read_text())["trials"]
    assert clicked() == {one["case_id"]: tuple(one["clicks"][0]["voxel"]) for one in trials}


@pytest.mark.usefixtures("balls")
def test_a_label_that_stores_its_axes_in_another_order_is_clicked_at_the_same_place() -> None:
    (case,) = json.loads((DATASET / "splits.json").read_text())["folds"][0]["test"]
    path = Path(f"Task98_Balls/labelsTr/{case}.nii.gz")
    stored = np.asarray(nib.load(path).dataobj).copy()
    nib.save(nib.as_closest_canonical(nib.load(path)), path)
    assert np.asarray(nib.load(path).dataobj).shape != stored.shape
    assert predict().exit_code == 0
    assert stored[clicked()[case]] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-f", 0, 1), "--test-cases: found folds 0, 1; give one, because the networks of other folds were"),
        (("-f", 3), "results: no checkpoint of fold 3; trained so far: fold_0"),
        (("-p", "points.json"), "--test-cases draws its own clicks; leave out -p and --point"),
        (("--name", "wide"), "results: no checkpoint of a run named wide; no run there has a name;"),
        (("-d", "7"), "'7': unknown task; searched "),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("balls")
def test_options_that_contradict_the_test_cases_are_refused(words: tuple, message: str) -> None:
    done = predict(*words)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {message}")
    assert not Path("predictions").exists()


@pytest.mark.usefixtures("balls")
def test_a_network_that_saw_every_case_has_no_test_cases() -> None:
    folder = RUN.with_name("fold_all")
    shutil.copytree(RUN, folder)
    for path in folder.glob("*.pt"):
        checkpoint = load_checkpoint(path)
        split = checkpoint.split
        everything = (*split.train, *split.val, *split.test)
        changed = {"fold": "all", "split": type(split)(everything, (), ())}
        save_checkpoint(type(checkpoint)(**{**vars(checkpoint), **changed}), path)
    for done in (predict("-f", "all"), evaluate("--clicks", 1, "-f", "all", "--device", "cpu")):
        assert done.exit_code == 1
        assert "fold all trains on every case, so it has no test cases; choose" in done.stderr


@pytest.mark.usefixtures("balls")
def test_a_test_case_without_the_target_is_named_and_left_out() -> None:
    (case,) = json.loads((DATASET / "splits.json").read_text())["folds"][0]["test"]
    path = Path(f"Task98_Balls/labelsTr/{case}.nii.gz")
    label = nib.load(path)
    nib.save(nib.Nifti1Image(np.zeros(label.shape, np.uint8), label.affine), path)
    done = predict()
    assert "no test case holds label 1; choose another run or fold" in done.stderr
    assert f"without the target 1 (tumour): {case}" in done.stdout


@pytest.mark.usefixtures("balls")
def test_scans_are_given_either_with_an_option_or_as_test_cases() -> None:
    assert predict("-i", "imgs").exit_code == 2
    done = CliRunner().invoke(predict_app, ["-p", "points.json"])
    assert done.exit_code == 2
    assert done.output.endswith("'-i': give scans, or --test-cases --fold N\n")


@pytest.mark.usefixtures("balls")
def test_a_dataset_that_was_moved_away_is_named() -> None:
    edit_json(DATASET / "fingerprint.json", lambda content: content.update(source="gone"))
    Path("Task98_Balls").rename("elsewhere")
    done = predict()
    assert done.exit_code == 1
    assert "'Task98_Balls': unknown task; searched" in done.stderr
