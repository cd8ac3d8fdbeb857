"""What a second call of promise-train, promise-preprocess and promise-evaluate removes, keeps and says."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app
from promise_cli.preprocess.command import preprocess
from tests.balls import predict
from tests.conftest import RUN, edit_json
from tests.test_train.runs import train_balls

CLICKS = RUN / "clicks"


def write_study(folder: Path) -> None:
    """Write the files of a study of clicks, as far as they are recognised, and one of the user's own."""
    (folder / "unfinished").mkdir(parents=True)
    kept = {"case_id": "ball_001", "key": "0", "trials": []}
    (folder / "unfinished" / "ball_001.json").write_text(json.dumps(kept))
    study = {"tool": "promise_cli 0", "dataset": "Task98_Balls", "created": "2026-01-02T03:04:05"}
    (folder / "clicks.json").write_text(json.dumps(study))
    (folder / "clicks.csv").write_text("case_id,strategy,trial,clicks,dice,protocol\n")
    (folder / "clicks.md").write_text("promise_cli 0, protocol\n")
    page = '<meta name="generator" content="promise-evaluate --clicks">'
    (folder / "report.html").write_text(page)


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """Return the folder of a run with a study of clicks and TensorBoard's curves."""
    shutil.copytree(trained, tmp_path / "workspace")
    folder = tmp_path / "workspace" / RUN
    write_study(folder / "clicks")
    (folder / "tensorboard").mkdir()
    (folder / "tensorboard" / "events.out.tfevents.1.host").write_text("old")
    return folder


@pytest.mark.slow
def test_overwriting_a_run_removes_the_study_and_the_curves_of_its_network(run: Path) -> None:
    train_balls(run.parents[2], epochs=1, overwrite=True, tensorboard=True)
    assert not (run / "clicks").exists()
    (curves,) = (run / "tensorboard").iterdir()
    assert curves.name != "events.out.tfevents.1.host"


@pytest.mark.slow
def test_files_of_the_user_next_to_a_study_stay_when_its_run_is_overwritten(run: Path) -> None:
    (run / "clicks" / "notes.txt").write_text("mine")
    (run / "clicks" / "report.html").write_text("mine")
    train_balls(run.parents[2], epochs=1, overwrite=True)
    assert sorted(path.name for path in (run / "clicks").iterdir()) == ["notes.txt", "report.html"]


def test_an_overwriting_run_that_saves_nothing_keeps_the_study(run: Path) -> None:
    train_balls(run.parents[2], epochs=2, overwrite=True, max_hours=0)
    assert (run / "clicks" / "clicks.json").exists()
    assert (run / "tensorboard" / "events.out.tfevents.1.host").exists()


@pytest.mark.slow
def test_a_continued_run_keeps_its_study_and_says_that_it_is_older(
    run: Path, capsys: pytest.CaptureFixture
) -> None:
    train_balls(run.parents[2], epochs=2, resume=True)
    assert (run / "clicks" / "clicks.json").exists()
    assert (
        f"warning: {run}/clicks: holds a study of the network before this training; repeat it afterwards with"
        " promise-evaluate --clicks ... --overwrite"
    ) in capsys.readouterr().err.splitlines()


@pytest.mark.usefixtures("balls")
def test_a_study_is_replaced_only_when_asked() -> None:
    write_study(CLICKS)
    line = ["--fold", "0", "--clicks", "1", "--device", "cpu"]
    done = CliRunner().invoke(evaluate_app, line)
    assert (done.exit_code, done.stderr) == (
        1,
        f"error: {CLICKS}/clicks.json: a study of 2026-01-02T03:04:05 exists already; name another folder with -o,"
        " or add --overwrite to replace it\n",
    )
    assert (CLICKS / "unfinished" / "ball_001.json").exists()


@pytest.mark.usefixtures("balls")
def test_an_evaluation_says_that_it_replaces_an_earlier_one() -> None:
    assert predict("-p", "points.json").exit_code == 0
    line = ["--workers", "0", "--no-report"]
    replaced = "predictions/imgs: replaced the earlier evaluation in metrics.json; -o keeps both"
    assert replaced not in CliRunner().invoke(evaluate_app, line).stdout
    assert replaced in CliRunner().invoke(evaluate_app, line).stdout.splitlines()
    assert replaced not in CliRunner().invoke(evaluate_app, [*line, "-o", "other"]).stdout


@pytest.mark.parametrize("way", ["overwrite", "splits"])
def test_folds_that_are_replaced_are_kept_under_another_name(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture, way: str
) -> None:
    path = preprocess(str(dataset), root=tmp_path, workers=0).folder / "splits.json"
    default = path.read_text()
    edit_json(path, lambda content: content["folds"].reverse())
    mine = path.read_text()
    theirs = tmp_path / "theirs.json"
    theirs.write_text(default)
    options = {"overwrite": True} if way == "overwrite" else {"splits": theirs}
    for _ in range(2):
        preprocess(str(dataset), root=tmp_path, workers=0, **options)
        copy = path.with_name("splits_1.json")
        assert copy.read_text() == mine
        assert json.loads(path.read_text())["folds"] == json.loads(default)["folds"]
    assert not path.with_name("splits_2.json").exists()
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning == (
        f"warning: {path}: the earlier folds are kept as splits_1.json; --splits {copy} uses them again"
    )
