"""Two processes that share each step train like one process with twice the batch."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from promise_cli.disk.records import load_record
from promise_cli.errors import CheckpointError, PlanError
from promise_cli.network.checkpoint import load_checkpoint
from promise_cli.train import TrainRequest, train
from promise_cli.train.curves import load_log
from promise_cli.train.group import join_group
from promise_cli.train.provenance import RunRecord
from tests.conftest import RUN
from tests.test_train.runs import copy_workspace

FIELDS = ("patch_size=32", "corrections=1", "first_answer_weight=0.5")


def _curve(folder: Path) -> list[tuple[float, ...]]:
    return [
        (row.loss, row.dice_loss, row.cross_entropy, row.boundary)
        for row in load_log(folder / "log.csv")
    ]


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one_with_twice_the_batch(
    preprocessed: Path, tmp_path: Path
) -> None:
    shared = train(
        TrainRequest(
            preset="tiny",
            epochs=2,
            device="cpu",
            devices=2,
            fields=FIELDS,
            root=copy_workspace(preprocessed, tmp_path / "two"),
        )
    )
    alone = train(
        TrainRequest(
            preset="tiny",
            epochs=2,
            device="cpu",
            batch_size=2,
            fields=FIELDS,
            root=copy_workspace(preprocessed, tmp_path / "one"),
        )
    )
    for two, one in zip(_curve(shared), _curve(alone), strict=True):
        assert two == pytest.approx(one, rel=2e-3, abs=2e-4)
    last = [load_log(folder / "log.csv")[-1] for folder in (shared, alone)]
    for dice in ("validation_dice", "corrected_dice"):
        two, one = (getattr(row, dice) for row in last)
        assert two == pytest.approx(
            one, abs=0.05
        )  # rounding can flip voxels near a probability of one half
    (session,) = load_record(RunRecord, shared / "run.json").sessions
    assert (session.processes, session.outcome, session.steps) == (2, "finished", 8)


@pytest.mark.slow
def test_torchrun_starts_training_and_a_signal_stops_all_processes_at_one_step(
    preprocessed: Path, tmp_path: Path
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    arguments = [
        "-m",
        "promise_cli.train",
        "--fold",
        "0",
        "--preset",
        "tiny",
        "--epochs",
        "50",
        "--device",
        "cpu",
        "--set",
        "patch_size=16",
        "--set",
        "validate_every=1",
    ]
    started = subprocess.Popen(
        [*command, *arguments, "--root", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not (root / RUN / "checkpoint_best.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    started.send_signal(signal.SIGTERM)
    said, _ = started.communicate(timeout=60)
    assert "stopped by SIGTERM" in said, said
    assert said.count("dataset: Task98_Balls, fold 0") == 1  # only the first process prints
    checkpoint = load_checkpoint(root / RUN / "checkpoint_last.pt")
    assert checkpoint.samples_per_step == 2
    assert checkpoint.epoch >= 1
    outcomes = [s.outcome for s in load_record(RunRecord, root / RUN / "run.json").sessions]
    assert outcomes == ["stopped"]


@pytest.mark.slow
def test_an_error_in_several_processes_is_reported_once(preprocessed: Path) -> None:
    with pytest.raises(PlanError, match=r"no fold 9; use --fold 0 to 4"):
        train(TrainRequest(fold=9, preset="tiny", device="cpu", devices=2, root=preprocessed))


def test_devices_within_torchrun_are_refused(
    preprocessed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(CheckpointError, match="--devices: torchrun has started the processes"):
        train(TrainRequest(devices=2, device="cpu", root=preprocessed))


@pytest.mark.parametrize(
    "variables", [{"WORLD_SIZE": "2"}, {"WORLD_SIZE": "x"}, {"WORLD_SIZE": "2", "RANK": "0"}]
)
def test_an_incomplete_environment_of_torchrun_is_refused(
    preprocessed: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = ", ".join(f"{name}={value}" for name, value in variables.items())
    with pytest.raises(CheckpointError) as caught:
        train(TrainRequest(device="cpu", root=preprocessed))
    assert str(caught.value) == (
        f"the environment says {found}, but all of WORLD_SIZE, RANK, MASTER_ADDR, MASTER_PORT are needed; start several"
        " processes through torchrun or --devices, or unset WORLD_SIZE"
    )


def test_one_gpu_for_several_processes_is_refused(preprocessed: Path) -> None:
    request = TrainRequest(preset="tiny", device="cuda:0", devices=2, root=preprocessed)
    with pytest.raises(CheckpointError) as caught:
        train(request)
    assert str(caught.value) == (
        "--device cuda:0: names one GPU, but several processes need one each; use --device cuda, and choose GPUs with"
        " the environment variable CUDA_VISIBLE_DEVICES"
    )


def test_one_gpu_for_the_processes_of_torchrun_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    place = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    with (
        pytest.raises(CheckpointError, match="--device cuda:1: names one GPU"),
        join_group("cuda:1"),
    ):
        pass
