"""Several folds are trained in one call, one after another. Finished folds are kept, and a second call continues."""

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promise_cli.cli import train_app
from promise_cli.disk.workspace import Workspace
from promise_cli.errors import CheckpointError, PlanError, WorkspaceError
from promise_cli.network.checkpoint import load_checkpoint, save_checkpoint
from promise_cli.train import TrainRequest
from promise_cli.train.folds import train_folds
from tests.conftest import DATASET
from tests.test_train.runs import copy_workspace

RESULTS = Path("results") / "Task98_Balls"
TINY = TrainRequest(
    preset="tiny",
    epochs=1,
    patches_per_case=1,
    fields=("patch_size=16",),
    device="cpu",
    workers=0,
)


def request(root: Path, **options) -> TrainRequest:
    return dataclasses.replace(TINY, root=root, **options)


@pytest.fixture(scope="module")
def two_folds(preprocessed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the workspace of balls with finished runs of folds 0 and 1; tests may only read it."""
    root = copy_workspace(preprocessed, tmp_path_factory.mktemp("two"))
    assert list(train_folds(request(root), (0, 1))) == [
        root / RESULTS / "fold_0",
        root / RESULTS / "fold_1",
    ]
    return root


@pytest.mark.slow
def test_finished_folds_are_named_and_kept_and_a_new_one_is_trained(
    two_folds: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    root = copy_workspace(two_folds, tmp_path)
    before = {path: path.read_bytes() for path in (root / RESULTS).rglob("*.*")}
    assert list(train_folds(request(root), (0, 2, 1))) == [root / RESULTS / "fold_2"]
    shown = capsys.readouterr().out
    assert all(f"fold {fold}: finished before and left as it is" in shown for fold in (0, 1))
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.slow
def test_an_unfinished_fold_needs_resume_and_then_the_rest_is_trained(
    two_folds: Path, tmp_path: Path
) -> None:
    root = copy_workspace(two_folds, tmp_path)
    list(train_folds(request(root, max_hours=0, name="long"), (0, 1)))
    runs = root / RESULTS / "promise__long"
    assert not (runs / "fold_1").exists()  # the limit holds for all folds together
    asked = request(root, name="long")
    with pytest.raises(CheckpointError, match="the run of fold 0 is not finished; add --resume"):
        list(train_folds(asked, (0, 1)))
    assert not (runs / "fold_1").exists()
    resumed = dataclasses.replace(asked, resume=True)
    assert list(train_folds(resumed, (0, 1))) == [runs / "fold_0", runs / "fold_1"]
    assert list(train_folds(resumed, (0, 1))) == []


@pytest.mark.slow
def test_a_finished_fold_with_a_missing_file_needs_resume_and_is_repaired(
    two_folds: Path, tmp_path: Path
) -> None:
    root = copy_workspace(two_folds, tmp_path)
    runs = [root / RESULTS / "fold_0", root / RESULTS / "fold_1"]
    for run in runs:
        _predict_with_final(run)
    there = {path.name for path in runs[1].iterdir()}
    for name in (
        "checkpoint_final.pt",
        "checkpoint_best.pt",
        "config.json",
        "log.csv",
        "progress.png",
    ):
        (runs[1] / name).rename(tmp_path / name)
        with pytest.raises(CheckpointError, match="the run of fold 1 is not finished; add --resum"):
            list(train_folds(request(root), (0, 1)))
        (tmp_path / name).rename(runs[1] / name)
    for name in ("checkpoint_final.pt", "config.json", "log.csv"):
        (runs[1] / name).unlink()
    assert list(train_folds(request(root, resume=True), (0, 1))) == runs[1:]
    assert {path.name for path in runs[1].iterdir()} == there
    assert list(train_folds(request(root, resume=True), (0, 1))) == []


def _predict_with_final(run: Path) -> None:
    """Change a finished run to one that predicts with its final checkpoint, and write that."""
    checkpoint = load_checkpoint(run / "checkpoint_last.pt")
    config = dataclasses.replace(checkpoint.train_config, predict_with="final")
    for name in ("checkpoint_last.pt", "checkpoint_final.pt"):
        save_checkpoint(dataclasses.replace(checkpoint, train_config=config), run / name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 7}, "fold_0: was started with seed 42, but this call has 7; the folds of one call"),
        ({"epochs": 2}, "fold_0: was started with epochs 1, but this call has 2"),
        ({"fields": ()}, "fold_0: was started with patch_size 16, but this call has 48"),
        ({"resume": True, "overwrite": True}, "--resume continues a run, --overwrite starts it anew"),
        ({"resume": True, "name": "none"}, "promise__none: nothing to resume; leave --resume out"),
    ],
)  # fmt: skip
def test_folds_that_would_not_be_trained_alike_are_refused(
    two_folds: Path, options: dict, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        list(train_folds(request(two_folds, **options), (0, 2)))
    assert not (two_folds / RESULTS / "fold_2").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_fold_that_does_not_exist_stops_the_call_before_any_training(
    preprocessed: Path, overwrite: bool
) -> None:
    with pytest.raises(PlanError, match=r"no fold 7; use --fold 0 to 4, or all \(a dataset's"):
        list(train_folds(request(preprocessed, overwrite=overwrite), (0, 7)))
    assert not (preprocessed / "results").exists()


def test_fold_all_trains_on_every_case_and_is_found_again(two_folds: Path, tmp_path: Path) -> None:
    root = copy_workspace(two_folds, tmp_path)
    (folder,) = train_folds(request(root), ("all",))
    checkpoint = load_checkpoint(folder / "checkpoint_last.pt")
    splits = json.loads((root / DATASET / "splits.json").read_text())["folds"]
    cases = {case for fold in splits for part in fold.values() for case in part}
    assert checkpoint.fold == "all"
    assert (set(checkpoint.split.train), checkpoint.split.val, checkpoint.split.test) == (
        cases, (), (),
    )  # fmt: skip
    assert not (folder / "metrics.json").exists()
    assert Workspace(root).find_runs(None, ("all",)) == (folder / "checkpoint_last.pt",)
    with pytest.raises(CheckpointError, match="1 of 1 epochs are done; ask for more with --epochs"):
        list(train_folds(request(root, fields=(), resume=True), ("all",)))


def test_a_named_run_lies_apart_and_is_found_by_its_name(two_folds: Path, tmp_path: Path) -> None:
    root = copy_workspace(two_folds, tmp_path)
    list(train_folds(request(root, name="wide.2", max_hours=0), (0,)))
    folder = root / RESULTS / "promise__wide.2" / "fold_0"
    found = Workspace(root).find_runs
    assert [path.parent for path in found(None, (0,), "wide.2")] == [folder]
    assert [path.parent for path in found(None, (0,))] == [root / RESULTS / "fold_0"]
    assert [path.parent for path in found(None, (0,), "wide.2", "98")] == [folder]
    with pytest.raises(
        WorkspaceError, match=r"no checkpoint of a run named wide; names there: wide"
    ):
        found(None, (0,), "wide")
    with pytest.raises(WorkspaceError, match=r"--name: -m .* names the run already; leave out one"):
        found(folder, (), "wide.2")


@pytest.mark.parametrize("name", ["", ".", "a b", "../x", "a__b", "-x", "x_", "ä", "a" * 41])
def test_a_name_that_no_folder_should_have_is_refused(preprocessed: Path, name: str) -> None:
    with pytest.raises(WorkspaceError, match="use 1 to 40 letters, digits"):
        list(train_folds(request(preprocessed, name=name), (0,)))
    assert not (preprocessed / "results").exists()


@pytest.mark.slow
def test_the_log_holds_what_each_call_printed_and_its_error(
    two_folds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy_workspace(two_folds, tmp_path)
    monkeypatch.chdir(root)
    monkeypatch.setattr("promise_cli.train.introduction.MOST_LISTED", 0)  # one case is then many
    words = ("-f", "0", "--epochs", "2", "--device", "cpu", "--workers", "0", "-c", "-q")
    done = CliRunner().invoke(train_app, words)
    assert (done.exit_code, done.stdout) == (0, "")
    lines = (RESULTS / "fold_0" / "train.log").read_text().splitlines()
    assert sum(" promise_cli 0.1.0: " in line for line in lines) == 2
    assert any("epoch 2/2: loss" in line for line in lines)
    (case,) = json.loads((DATASET / "splits.json").read_text())["folds"][0]["test"]
    assert any(
        f"test cases: 1 ({case}); {RESULTS}/fold_0/train.log lists" in line for line in lines
    )
    assert any(line.endswith(f" all test cases: {case}") for line in lines)
    assert any("Dice" in line for line in lines[-5:])
    assert all(line[:2] == "20" and line[19] == " " for line in lines)
