"""promise-train leaves a run that can be watched, used for prediction and resumed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from promise_cli.errors import (
    CheckpointError,
    DatasetError,
    PlanError,
    PromiseError,
    WorkspaceError,
)
from promise_cli.network.checkpoint import build_model, load_checkpoint
from promise_cli.train import TrainRequest, train
from promise_cli.train.curves import load_log
from tests.conftest import RUN, edit_json


def test_every_file_is_there(trained: Path) -> None:
    assert {path.name for path in (trained / RUN).iterdir() if path.name != ".lock"} == {
        "checkpoint_last.pt",
        "checkpoint_best.pt",
        "config.json",
        "log.csv",
        "metrics.csv",
        "metrics.json",
        "metrics.md",
        "progress.png",
        "run.json",
        "train.log",
    }
    assert (trained / RUN / "progress.png").read_bytes().startswith(b"\x89PNG")


def test_the_log_has_one_row_an_epoch(trained: Path) -> None:
    (row,) = load_log(trained / RUN / "log.csv")
    assert row.epoch == 1
    assert row.learning_rate == 1e-3
    assert row.validation_dice is not None
    weighted = row.dice_loss + row.cross_entropy + 10 * row.boundary
    assert row.loss == pytest.approx(weighted, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 1}, r"checkpoint_last\.pt: 1 of 1 epochs are done; ask for more with --epochs"),
        ({"epochs": 2, "seed": 7}, "--seed 7: this run was started with 42; leave the option out"),
        ({"epochs": 2, "preset": "paper"}, "--preset paper: this run was started with tiny"),
        ({"overwrite": True}, "--resume continues a run, --overwrite starts it anew; give only"),
    ],
)
def test_options_that_contradict_the_resumed_run_are_refused(
    trained: Path, options: dict, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        train(TrainRequest(resume=True, device="cpu", root=trained, **options))


def test_a_run_whose_fold_changed_is_not_resumed(trained: Path, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(trained, root)

    def move_a_test_case(content: dict) -> None:
        fold = content["folds"][0]
        fold["train"].append(fold["test"].pop())

    edit_json(root / "preprocessed" / "Task98_Balls" / "splits.json", move_a_test_case)
    with pytest.raises(
        CheckpointError, match=r"was trained with other cases than fold 0 of splits\.json now has"
    ):
        train(TrainRequest(resume=True, epochs=2, device="cpu", root=root))


def test_a_checkpoint_holds_all_that_prediction_needs(trained: Path) -> None:
    path = trained / RUN / "checkpoint_best.pt"
    checkpoint = load_checkpoint(path)
    assert (checkpoint.plan.dataset, checkpoint.plan.patch_size) == ("Task98_Balls", 48)
    assert (checkpoint.preset, checkpoint.fold, checkpoint.epoch) == ("tiny", 0, 1)
    assert checkpoint.optimizer == {}
    assert not build_model(checkpoint, path).training
    assert load_checkpoint(path.with_name("checkpoint_last.pt")).optimizer


def test_a_run_is_not_overwritten_by_mistake(trained: Path) -> None:
    with pytest.raises(
        WorkspaceError,
        match="a run exists already; add --resume to continue it, or --overwrite",
    ):
        train(TrainRequest(preset="tiny", epochs=1, device="cpu", root=trained))


@pytest.mark.parametrize(
    ("option", "typed", "meant"),
    [
        ("preset", "tini", "tiny"),
        ("network", "dynune", "dynunet"),
        ("encoder", "sam_b", "sam_vit_b"),
    ],
)
def test_a_misspelt_name_is_refused_even_where_a_run_exists(
    trained: Path, option: str, typed: str, meant: str
) -> None:
    with pytest.raises(
        PromiseError, match=f"--{option} {typed}: unknown; .*; did you mean {meant}\\?$"
    ):
        train(TrainRequest(device="cpu", root=trained, **{option: typed}))


def test_nothing_to_resume_is_an_error(preprocessed: Path) -> None:
    with pytest.raises(
        CheckpointError, match="nothing to resume; leave --resume out to start a run"
    ):
        train(TrainRequest(resume=True, device="cpu", root=preprocessed))
    assert not (preprocessed / "results").exists()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"preset": "huge"}, PlanError, r"--preset huge: unknown; use one of recommended, paper, tiny, reference"),
        ({"device": "tpu"}, CheckpointError, r"--device tpu: unknown; use auto, cpu, cuda or mps"),
        ({"task": "Task55"}, WorkspaceError, r"'Task55': not preprocessed yet in /.*, which holds Task98_Balls; run"
         r" promise-preprocess Task55 first$"),
        ({"devices": 999}, CheckpointError, r"--devices 999: this machine has \d+ (cores|GPUs); ask for no more"),
        ({"precision": "fp8"}, CheckpointError, r"--precision fp8: unknown; use auto, fp32, bf16 or fp16"),
        ({"fold": 5}, PlanError, r"splits\.json: no fold 5; use --fold 0 to 4"),
        ({"encoder": "resnet"}, CheckpointError, r"--encoder resnet: unknown; use one of sam_vit_b"),
        ({"preset": "paper"}, CheckpointError,
         r"weights/sam_vit_b_01ec64\.pth: no pretrained weights for sam_vit_b, and downloading .*"
         r" failed .*; put the official file there"),
        ({"preset": "paper", "weights": "none.pth"}, CheckpointError, r"none\.pth: no such file"),
    ],
)  # fmt: skip
def test_impossible_options_are_refused_and_nothing_is_written(
    preprocessed: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    options: dict,
    error: type,
    message: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    arguments = {"preset": "tiny", "device": "cpu", "root": preprocessed} | options
    with pytest.raises(error, match=message):
        train(TrainRequest(**arguments))
    assert not (preprocessed / "results").exists()


def test_missing_cases_are_named(preprocessed: Path, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(preprocessed, root)
    for case in (root / "preprocessed" / "Task98_Balls" / "cases").iterdir():
        shutil.rmtree(case)
    with pytest.raises(
        DatasetError,
        match=r"cases of fold 0 are missing, damaged or made with another plan, such as ball_00.; run promise",
    ):
        train(TrainRequest(preset="tiny", device="cpu", root=root))


def test_cases_of_another_plan_are_refused(preprocessed: Path, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(preprocessed, root)
    edit_json(
        root / "preprocessed" / "Task98_Balls" / "plans.json",
        lambda plan: plan.update(spacing=[3.0, 3.0, 3.0]),
    )
    with pytest.raises(
        DatasetError,
        match=r"damaged or made with another plan, such as ball_.*; run promise-preprocess",
    ):
        train(TrainRequest(preset="tiny", device="cpu", root=root))
    assert not (root / "results").exists()


def test_starting_training_as_a_module_loads_no_torch_before_threads_are_set() -> None:
    code = (
        "import sys, promise_cli.train, promise_cli.train.__main__; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_hours": float("nan")}, "--max-hours nan: give a number of hours, such as 23.5"),
        ({"learning_rate": float("nan")}, "--lr nan: give a number above 0, such as 4e-4"),
    ],
)
def test_options_of_nan_are_refused(options: dict, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        TrainRequest(**options)
