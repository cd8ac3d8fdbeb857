"""A run that was stopped, killed and resumed in any way equals one that was never interrupted."""

import dataclasses
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from promise_cli.disk.records import load_record
from promise_cli.errors import CheckpointError, StoppedError
from promise_cli.network.checkpoint import load_checkpoint
from promise_cli.train import TrainRequest, train
from promise_cli.train.curves import load_log
from promise_cli.train.provenance import RunRecord
from tests.conftest import RUN
from tests.test_train.runs import copy_workspace, is_same_run, stop_after, train_balls

STEPS = 8
"""Steps of one epoch: four training cases with two patches each."""


@pytest.fixture(scope="module")
def undisturbed(preprocessed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs without interruption."""
    return train_balls(copy_workspace(preprocessed, tmp_path_factory.mktemp("undisturbed")))


def _losses(folder: Path) -> list[tuple[float, ...]]:
    return [
        (row.epoch, row.loss, row.dice_loss, row.cross_entropy, row.boundary)
        for row in load_log(folder / "log.csv")
    ]


@pytest.mark.parametrize("steps", [2, 3, STEPS])
@pytest.mark.slow
def test_a_run_stopped_again_and_again_equals_one_never_stopped(
    undisturbed: Path, preprocessed: Path, tmp_path: Path, steps: int
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    stops = 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            stop_after(steps, (signal.SIGTERM, signal.SIGINT)[stops % 2], patch)
            try:
                folder = train_balls(root, resume=stops > 0, workers=0)
                break
            except StoppedError:
                stops += 1
    assert (
        stops == 2 * STEPS // steps
    )  # a stop after an epoch's last step comes before its validation
    assert is_same_run(folder, undisturbed)
    assert _losses(folder) == _losses(undisturbed)
    sessions = load_record(RunRecord, folder / "run.json").sessions
    assert [session.outcome for session in sessions] == ["stopped"] * stops + ["finished"]
    assert sum(session.steps for session in sessions) == 2 * STEPS


def test_the_message_of_a_stop_says_how_to_continue(preprocessed: Path, tmp_path: Path) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(3, signal.SIGTERM, patch)
        with pytest.raises(StoppedError) as caught:
            train_balls(root)
    assert str(caught.value) == (
        f"{root / RUN}: stopped by SIGTERM in epoch 1 after 3 of 8 steps; the run is saved, continue with --resume"
    )


def test_reaching_max_hours_saves_the_run_and_is_no_error(
    preprocessed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    folder = train_balls(root, max_hours=1e-9)
    assert (
        "stopped by --max-hours 1e-09 in epoch 1 after 0 of 8 steps; the run is saved"
        in capsys.readouterr().out
    )
    assert load_checkpoint(folder / "checkpoint_last.pt").step == 0
    assert not (folder / "metrics.json").exists()


def test_a_run_stopped_while_scoring_test_cases_scores_them_when_resumed(
    trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "workspace")
    root = tmp_path / "workspace"
    before = (root / RUN / "metrics.csv").read_text()
    for name in ("metrics.json", "metrics.csv"):
        (root / RUN / name).unlink()
    request = TrainRequest(resume=True, device="cpu", root=root)
    train(dataclasses.replace(request, max_hours=1e-9))
    assert not (root / RUN / "metrics.json").exists()
    train(request)
    assert (root / RUN / "metrics.csv").read_text() == before


@pytest.mark.slow
def test_two_reader_processes_give_the_same_run(
    undisturbed: Path, preprocessed: Path, tmp_path: Path
) -> None:
    assert is_same_run(train_balls(copy_workspace(preprocessed, tmp_path), workers=2), undisturbed)


@pytest.mark.slow
def test_two_batches_per_step_equal_one_of_twice_the_size(
    preprocessed: Path, tmp_path: Path
) -> None:
    logs = []
    for name, options in (("one", {"batch_size": 2}), ("two", {"accumulate": 2})):
        folder = train_balls(copy_workspace(preprocessed, tmp_path / name), epochs=1, **options)
        logs.append(_losses(folder)[0])
    assert logs[0] == pytest.approx(logs[1], rel=2e-4)


def test_resuming_with_another_number_of_samples_per_step_is_refused(trained: Path) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"was trained with 1 sample per step, but this call takes 4 \(--batch-size 2 x --accumulate 2 x 1 dev",
    ):
        train(
            TrainRequest(
                resume=True, epochs=2, batch_size=2, accumulate=2, device="cpu", root=trained
            )
        )


KILLED_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
import torch
save, calls = torch.save, []
def save_half(content, path):
    calls.append(path)
    save(content, path)
    if "checkpoint_last" in str(path) and len([c for c in calls if "checkpoint_last" in str(c)]) == 2:
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
torch.save = save_half
from tests.test_train.runs import train_balls
train_balls(Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_kill_while_saving_leaves_the_previous_checkpoint_whole(
    undisturbed: Path, preprocessed: Path, tmp_path: Path
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, str(root)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert load_checkpoint(root / RUN / "checkpoint_last.pt").epoch == 1
    folder = train_balls(root, resume=True)
    assert is_same_run(folder, undisturbed)
    assert not [path for path in folder.iterdir() if path.name.startswith(".tmp")]
    outcomes = [s.outcome for s in load_record(RunRecord, folder / "run.json").sessions]
    assert outcomes == ["running", "finished"]  # the killed one could not record its end


def test_a_second_training_of_the_same_run_is_refused(trained: Path) -> None:
    from promise_cli.train.run import hold

    with (
        hold(trained / RUN),
        pytest.raises(
            CheckpointError, match="fold_0: another promise-train works on this run; wait for it"
        ),
    ):
        train(TrainRequest(resume=True, epochs=2, device="cpu", root=trained))
