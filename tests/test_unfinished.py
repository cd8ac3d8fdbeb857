"""Predicting with a network whose training is not finished gives a warning."""

import json
import shutil
from pathlib import Path

import pytest

from promise_cli.disk.workspace import BEST, FINAL, LAST
from promise_cli.network.unfinished import unfinished
from promise_cli.predict import predict
from tests.conftest import RUN, edit_json


def _run(folder: Path, done: int, asked: object, *checkpoints: str) -> Path:
    """Make the folder of a run after `done` of `asked` epochs, with these empty checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in checkpoints:
        (folder / name).touch()
    (folder / "config.json").write_text(json.dumps({"epochs": asked}))
    rows = "".join(f"{number},0.001\n" for number in range(1, done + 1))
    (folder / "log.csv").write_text("epoch,learning_rate\n" + rows)
    return folder


def test_the_warning_says_how_many_epochs_are_done_and_how_to_continue(tmp_path: Path) -> None:
    best = _run(tmp_path, 12, 30, BEST, LAST) / BEST
    assert unfinished(best) == (
        f"{best}: only 12 of 30 epochs of the training are done; continue with promise-train --resume"
    )


def test_without_a_log_no_epoch_is_done(tmp_path: Path) -> None:
    _run(tmp_path, 0, 30, LAST)
    (tmp_path / "log.csv").unlink()
    assert ": only 0 of 30 epochs of the training are done;" in unfinished(tmp_path / LAST)


def test_checkpoints_of_a_finished_training_give_no_warning(
    tmp_path: Path,
) -> None:
    _run(tmp_path, 30, 30, BEST, LAST, FINAL)
    assert [unfinished(tmp_path / name) for name in (BEST, LAST, FINAL)] == ["", "", ""]


def test_a_finished_training_with_more_epochs_asked_for_gives_a_warning(tmp_path: Path) -> None:
    _run(tmp_path, 30, 60, BEST, LAST)
    assert ": only 30 of 60 epochs " in unfinished(tmp_path / BEST)


def test_a_checkpoint_without_checkpoint_last_gives_no_warning(tmp_path: Path) -> None:
    _run(tmp_path, 12, 30, BEST, "copied.pt")
    assert unfinished(tmp_path / BEST) == unfinished(tmp_path / "copied.pt") == ""


@pytest.mark.parametrize("asked", ["many", None])
def test_an_unreadable_run_folder_gives_no_warning(tmp_path: Path, asked: object) -> None:
    _run(tmp_path, 12, asked, BEST, LAST)
    assert unfinished(tmp_path / BEST) == ""
    (tmp_path / "config.json").write_text("{")
    assert unfinished(tmp_path / BEST) == ""


def test_promise_predict_names_the_unfinished_fold_and_continues(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(trained, root)
    done = root / RUN
    half = done.with_name("fold_1")
    shutil.copytree(done, half)
    edit_json(half / "config.json", lambda content: content.update(epochs=4))
    points = tmp_path / "points.json"
    points.write_text(json.dumps({"ball_001": [14, 13, 10]}))
    images = root / "Task98_Balls" / "imagesTr"
    assert predict(images, points, root=root, folds=(0, 1), device="cpu")
    said = capsys.readouterr().err
    assert said.count("epochs of the training are done") == 1
    assert f"warning: {half / BEST}: only 1 of 4 epochs of the training are done" in said
