"""However a training ends, no process hangs, no good checkpoint is lost, and no scores of another network remain."""

import multiprocessing
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from promise_cli.dataset.splits import Splits
from promise_cli.disk.records import load_record
from promise_cli.errors import CheckpointError, DatasetError, PromiseError, StoppedError
from promise_cli.network.checkpoint import load_checkpoint
from promise_cli.train import run, step
from promise_cli.train.curves import load_log, save_log
from promise_cli.train.provenance import RunRecord
from tests.conftest import RUN
from tests.killer import Kill
from tests.test_train.runs import (
    copy_workspace,
    is_same_run,
    kill_at,
    stop_after,
    train_balls,
)

EVERY_EPOCH = ("validate_every=1", "patch_size=32")
"""Fields with which the second epoch is the better one."""


@pytest.mark.parametrize("workers", [0, 2])
def test_out_of_memory_is_reported_in_one_line_and_ends_the_readers(
    preprocessed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    monkeypatch.setattr(step, "total_loss", full)
    root = copy_workspace(preprocessed, tmp_path)
    with pytest.raises(CheckpointError) as caught:
        train_balls(root, workers=workers)
    assert str(caught.value) == (
        f"{root / RUN}: cpu does not have enough memory for one sample of 16^3 at once; start again with"
        " --checkpoint-activations, or start anew with --overwrite and --precision bf16 or a smaller --set patch_size=N"
    )
    assert multiprocessing.active_children() == []


def test_a_killed_reader_is_reported_in_one_line(
    preprocessed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = step.total_loss

    def kill_readers(*arguments):
        for child in multiprocessing.active_children():
            child.kill()
        return loss(*arguments)

    monkeypatch.setattr(step, "total_loss", kill_readers)
    root = copy_workspace(preprocessed, tmp_path)
    message = r"samples died, perhaps .*; start again with fewer --workers$"
    with pytest.raises(CheckpointError, match=message):
        train_balls(root, workers=2)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("name", [run.BEST, run.LAST])
@pytest.mark.slow
def test_a_kill_between_the_two_checkpoints_loses_neither(
    preprocessed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole = train_balls(copy_workspace(preprocessed, tmp_path / "a"), fields=EVERY_EPOCH)
    root = copy_workspace(preprocessed, tmp_path / "b")
    with monkeypatch.context() as patched:
        kill_at(name, patched, times=2)
        with pytest.raises(Kill):
            train_balls(root, fields=EVERY_EPOCH)
    assert is_same_run(train_balls(root, resume=True), whole)
    best, expected = (load_checkpoint(folder / run.BEST) for folder in (root / RUN, whole))
    assert (best.epoch, best.validation_dice) == (expected.epoch, expected.validation_dice)


def test_a_missing_best_checkpoint_is_written_again(trained: Path, tmp_path: Path) -> None:
    root = copy_workspace(trained, tmp_path)
    best = root / RUN / run.BEST
    before = load_checkpoint(best)
    best.unlink()
    (root / RUN / "metrics.json").unlink()
    train_balls(root, epochs=1, resume=True)
    after = load_checkpoint(best)
    assert after.validation_dice == before.validation_dice
    assert all(torch.equal(after.weights[name], before.weights[name]) for name in before.weights)


@pytest.mark.slow
def test_a_kill_before_the_log_leaves_no_gap_in_it(
    preprocessed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_at_second(rows, path):
        if len(rows) == 2:
            raise Kill
        save_log(rows, path)

    root = copy_workspace(preprocessed, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(run, "save_log", kill_at_second)
        with pytest.raises(Kill):
            train_balls(root, epochs=3)
    (root / RUN / "log.csv").write_text("epoch,learning_rate,loss,damaged\n")
    train_balls(root, epochs=3, resume=True)
    assert [row.epoch for row in load_log(root / RUN / "log.csv")] == [1, 2, 3]


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.is_file()}


@pytest.mark.parametrize("ending", ["kill", "time"])
def test_overwriting_keeps_the_old_run_until_the_new_one_has_a_checkpoint(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, ending: str
) -> None:
    root = copy_workspace(trained, tmp_path)
    before = _files(root / RUN)
    if ending == "time":
        train_balls(root, overwrite=True, max_hours=0)
        assert "nothing was trained, the earlier run is kept" in capsys.readouterr().out
    else:
        kill_at(run.LAST, monkeypatch)
        with pytest.raises(Kill):
            train_balls(root, overwrite=True)
    after = _files(root / RUN)
    assert after.pop("train.log").startswith(before.pop("train.log"))  # it grows
    assert after == before


@pytest.mark.slow
def test_scores_of_an_earlier_network_are_removed_when_a_run_continues(
    trained: Path, tmp_path: Path
) -> None:
    root = copy_workspace(trained, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(1, signal.SIGTERM, patch)
        with pytest.raises(StoppedError, match="stopped by SIGTERM"):
            train_balls(root, resume=True)
    assert not (root / RUN / "metrics.json").exists()
    train_balls(root, resume=True)
    assert (root / RUN / "metrics.json").exists()
    outcomes = [one.outcome for one in load_record(RunRecord, root / RUN / "run.json").sessions]
    assert outcomes == ["finished", "stopped", "finished"]


def _edit(path: Path, **changes) -> None:
    content = torch.load(path, weights_only=True)
    torch.save(content | changes, path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {}}, "holds no state of the optimizer, so it is only for prediction (a copy of"
         " checkpoint_final.pt or checkpoint_best.pt?); restore the run's own checkpoint_last.pt, or start anew with"
         " --overwrite instead of"
         " --resume"),
        ({"optimizer": {"state": {0: {}}, "param_groups": [{}]}}, "the state of the optimizer is damaged or incomplete;"
         " restore the file, or start anew with --overwrite instead of --resume"),
        ({"weights": 3}, "weights has the wrong type int; train again or copy the file again"),
        ({"epoch": "x"}, "epoch has the wrong type str; train again or copy the file again"),
        ({"best_dice": "a"}, "best_dice has the wrong type str; train again or copy the file again"),
        ({"encoder_weights": None}, "encoder_weights has the wrong type NoneType; train again or copy the file again"),
    ],
)  # fmt: skip
def test_a_checkpoint_that_cannot_be_resumed_is_refused_with_the_reason(
    trained: Path, tmp_path: Path, changes: dict, message: str
) -> None:
    root = copy_workspace(trained, tmp_path)
    path = root / RUN / run.LAST
    _edit(path, **changes)
    with pytest.raises(PromiseError) as caught:
        train_balls(root, resume=True)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.slow
def test_a_case_of_nan_is_named_in_validation_and_test(
    preprocessed: Path, tmp_path: Path, part: str
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    dataset = root / "preprocessed" / "Task98_Balls"
    case = getattr(load_record(Splits, dataset / "splits.json").folds[0], part)[0]
    image = np.load(dataset / "cases" / case / "image.npy")
    np.save(dataset / "cases" / case / "image.npy", np.full_like(image, np.nan))
    with pytest.raises(DatasetError, match=f"case {case}"):
        train_balls(root, epochs=1)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("click_mapp=true", "--set click_mapp: no such field; did you mean click_map?"),
        ("click_map", "--set click_map: give NAME=VALUE, such as click_map=true"),
        ("click_map=maybe", "--set: click_map: expected true or false, found 'maybe'"),
        ("adapters=3", "--set: adapters: found 3; use one of 1, 2"),
        ("validate_every=0", "--set: validate_every must be at least 1, found 0"),
        ("num_foreground_clicks=0", "--set: num_foreground_clicks must be at least 1, found 0"),
        ("num_background_clicks=-3", "--set: num_background_clicks must be at least 0, found -3"),
        (
            "centre_jitter=13",
            "--set: centre_jitter must be at least 0 and less than 0.5 edges of the patch, found 13.0",
        ),
        ("foreground_share=7", "--set: foreground_share must lie between 0 and 1, found 7.0"),
        ("loss.boundary_wait=1", "--set loss.boundary_wait: no such field; did you mean loss.boundary_weight?"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_set_is_refused_with_the_reason(
    preprocessed: Path, tmp_path: Path, field: str, message: str
) -> None:
    with pytest.raises(PromiseError) as caught:
        train_balls(copy_workspace(preprocessed, tmp_path), fields=(field,))
    assert str(caught.value) == message


@pytest.mark.slow
def test_fields_of_network_and_recipe_are_set_and_kept_with_the_run(
    trained: Path, tmp_path: Path
) -> None:
    root = copy_workspace(trained, tmp_path)
    fields = ("token_attention=idle", "adapter2_residual=double", "loss.boundary_weight=5")
    folder = train_balls(root, epochs=1, overwrite=True, fields=fields)
    found = load_checkpoint(folder / run.LAST)
    assert (found.model_config.token_attention, found.model_config.adapter2_residual) == (
        "idle",
        "double",
    )
    assert found.train_config.loss.boundary_weight == 5
    with pytest.raises(CheckpointError, match="--set: a run keeps the fields"):
        train_balls(root, resume=True, fields=fields)
