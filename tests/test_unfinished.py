"""Predicting with a network whose training has not ended says so."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from promise_cli.checkpoint import load_checkpoint, save_checkpoint
from promise_cli.predict import predict
from promise_cli.predictor import Predictor
from promise_cli.workspace import BEST, FINAL, LAST
from tests.conftest import RUN


def _save(trained: Path, path: Path, epoch: int, predict_with: str) -> Path:
    """A checkpoint after `epoch` of four epochs."""
    made = load_checkpoint(trained / RUN / BEST)
    recipe = dataclasses.replace(made.train_config, epochs=4, predict_with=predict_with)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(dataclasses.replace(made, epoch=epoch, train_config=recipe), path)
    return path


def test_the_best_network_so_far_stands_in_for_the_last_one(trained: Path, tmp_path: Path) -> None:
    best = _save(trained, tmp_path / BEST, 3, "final")
    (sentence,) = Predictor.load(best, "cpu").unfinished
    assert sentence == (
        f"{best}: epoch 3 of a training of 4 that has not ended; for its last network finish it with promise-train"
        " --resume"
    )


@pytest.mark.parametrize(
    ("name", "epoch", "predict_with", "warned"),
    [
        (LAST, 3, "best", True),
        (LAST, 3, "final", True),
        (LAST, 4, "best", False),
        (BEST, 3, "best", False),  # what the recipe wants, whether or not better ones come
        (BEST, 4, "final", False),
        (FINAL, 4, "final", False),
        ("copied.pt", 3, "final", False),  # beside it nothing tells how its run ended
    ],
)
def test_only_what_is_not_yet_what_the_recipe_wants_is_told(
    trained: Path, tmp_path: Path, name: str, epoch: int, predict_with: str, warned: bool
) -> None:
    path = _save(trained, tmp_path / name, epoch, predict_with)
    assert bool(Predictor.load(path, "cpu").unfinished) is warned


def test_the_best_network_of_a_finished_run_may_be_asked_for(trained: Path, tmp_path: Path) -> None:
    best = _save(trained, tmp_path / BEST, 3, "final")
    _save(trained, tmp_path / FINAL, 4, "final")
    assert not Predictor.load(best, "cpu").unfinished


def test_promise_predict_names_the_fold_that_is_not_done_and_goes_on(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(trained, root)
    done = root / RUN
    done.with_name("fold_1").mkdir()
    _save(trained, done / FINAL, 4, "final")
    half = _save(trained, done.with_name("fold_1") / BEST, 2, "final")
    points = tmp_path / "points.json"
    points.write_text(json.dumps({"ball_001": [14, 13, 10]}))
    images = root / "Task98_Balls" / "imagesTr"
    assert predict(images, points, root=root, folds=(0, 1), device="cpu")
    said = capsys.readouterr().err
    assert said.count("has not ended") == 1
    assert f"warning: {half}: epoch 2 of a training of 4 that has not ended" in said
