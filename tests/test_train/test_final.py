"""Prediction uses the last epoch's network if the recipe says so, else the best one on the validation patches."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

from promise_cli.disk.workspace import Workspace
from promise_cli.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from promise_cli.network.promise.config import PRESETS
from promise_cli.network.recipe import plain_preset, preset
from promise_cli.train.replacing import NOTE, finish_replacing
from tests.conftest import RUN
from tests.test_train.runs import Kill, copy_workspace, kill_at, train_balls

FINAL = ("predict_with=final",)


def is_same_run(one: Checkpoint, other: Checkpoint) -> None:
    assert (one.epoch, one.optimizer) == (other.epoch, {})
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in other.weights)


@pytest.fixture(scope="module")
def ended(preprocessed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a finished run whose recipe predicts with the last epoch; tests only read it."""
    root = copy_workspace(preprocessed, tmp_path_factory.mktemp("ended"))
    train_balls(root, 2, fields=(*FINAL, "validate_every=1"))
    return root


@pytest.mark.slow
def test_the_final_checkpoint_is_the_last_epochs_network_and_prediction_takes_it(ended: Path):
    final, last = (
        load_checkpoint(ended / RUN / f"checkpoint_{name}.pt") for name in ("final", "last")
    )
    assert (final.epoch, final.optimizer) == (2, {})
    assert all(torch.equal(final.weights[name], last.weights[name]) for name in last.weights)
    assert Workspace(ended).find_runs(None, ()) == (ended / RUN / "checkpoint_final.pt",)
    scored = json.loads((ended / RUN / "metrics.json").read_text())
    assert Path(scored["predictions"]).name == "checkpoint_final.pt"


@pytest.mark.slow
def test_a_continued_run_has_no_final_checkpoint_before_its_new_end(ended: Path, tmp_path: Path):
    root = copy_workspace(ended, tmp_path)
    train_balls(root, 4, resume=True, max_hours=1e-9)  # stops before its next step
    assert not (root / RUN / "checkpoint_final.pt").exists()
    assert Workspace(root).find_runs(None, ())[0].name == "checkpoint_best.pt"
    train_balls(root, 4, resume=True)
    assert load_checkpoint(root / RUN / "checkpoint_final.pt").epoch == 4


@pytest.mark.slow
def test_overwriting_a_run_removes_its_final_checkpoint(ended: Path, tmp_path: Path):
    root = copy_workspace(ended, tmp_path)
    train_balls(root, 1, overwrite=True)
    assert not (root / RUN / "checkpoint_final.pt").exists()
    assert Workspace(root).find_runs(None, ())[0].name == "checkpoint_best.pt"


def test_giving_up_a_longer_run_brings_its_final_checkpoint_back(ended: Path, tmp_path: Path):
    root = copy_workspace(ended, tmp_path)
    before = load_checkpoint(root / RUN / "checkpoint_final.pt")
    train_balls(root, 4, resume=True, max_hours=1e-9)
    train_balls(root, 2, resume=True)
    is_same_run(load_checkpoint(root / RUN / "checkpoint_final.pt"), before)
    scored = json.loads((root / RUN / "metrics.json").read_text())
    assert Path(scored["predictions"]).name == "checkpoint_final.pt"


@pytest.mark.parametrize("damage", ["gone", "of another epoch"])
def test_resuming_a_finished_run_restores_a_lost_final_checkpoint(
    ended: Path, tmp_path: Path, damage: str
):
    root = copy_workspace(ended, tmp_path)
    path = root / RUN / "checkpoint_final.pt"
    before = load_checkpoint(path)
    if damage == "gone":
        path.unlink()
    else:  # what a kill leaves while a third epoch is being saved
        other = {name: torch.zeros_like(value) for name, value in before.weights.items()}
        save_checkpoint(dataclasses.replace(before, epoch=3, weights=other), path)
        (root / RUN / "metrics.json").unlink()
    train_balls(root, 2, resume=True)
    is_same_run(load_checkpoint(path), before)


@pytest.mark.slow
def test_a_kill_while_saving_the_last_epoch_leaves_no_scores_of_an_earlier_network(
    ended: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = copy_workspace(ended, tmp_path)
    with monkeypatch.context() as patched:
        kill_at("checkpoint_last.pt", patched)
        with pytest.raises(Kill):
            train_balls(root, 3, resume=True)
    assert not (root / RUN / "metrics.json").exists()
    train_balls(root, 2, resume=True)  # the user decides that two epochs are enough
    assert load_checkpoint(root / RUN / "checkpoint_final.pt").epoch == 2
    assert (root / RUN / "metrics.json").exists()


@pytest.mark.slow
def test_a_final_checkpoint_of_a_replaced_run_is_removed(ended: Path, tmp_path: Path):
    root = copy_workspace(ended, tmp_path)
    old = (root / RUN / "checkpoint_final.pt").read_bytes()
    train_balls(root, 1, overwrite=True)
    (root / RUN / "checkpoint_final.pt").write_bytes(
        old
    )  # what a kill leaves that comes before its removal
    train_balls(root, 2, resume=True)
    assert not (root / RUN / "checkpoint_final.pt").exists()


def test_the_default_and_all_other_networks_predict_with_the_last_epoch():
    chosen = {name: preset(name)[1].predict_with for name in PRESETS}
    assert {name for name, how in chosen.items() if how == "final"} == {"recommended"}
    for name in ("paper", "tiny"):
        assert plain_preset(name, "dynunet", clicks=False).predict_with == "final"


@pytest.mark.parametrize("content", [b"", b"\x80\x8b", b"abc\n"])
def test_a_damaged_note_of_a_replaced_run_removes_no_file(
    trained: Path, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(trained / RUN, tmp_path / "run")
    before = {path.name for path in run.iterdir()}
    (run / NOTE).write_bytes(content)
    finish_replacing(run)
    assert {path.name for path in run.iterdir()} == before
    shown = " ".join("".join(capsys.readouterr()).split())
    assert f"{run / NOTE}: is damaged, so files of an earlier run may remain" in shown
