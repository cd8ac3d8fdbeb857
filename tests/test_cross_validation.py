"""`promise-evaluate --fold 0 1 2` joins the scores of trainings, and `--runs` lists all trainings."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app
from promise_cli.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.conftest import DATASET, RUN, edit_json, made_once

OUTPUT = RUN.with_name("crossval_results_folds_0_1_2")
DICES = (0.9, 0.5, 0.1)


def evaluate(*words: object):
    return CliRunner().invoke(evaluate_app, [str(word) for word in words])


def change_checkpoints(run: Path, **changes) -> None:
    for path in run.glob("*.pt"):
        checkpoint: Checkpoint = load_checkpoint(path)
        save_checkpoint(dataclasses.replace(checkpoint, **changes), path)


@pytest.fixture(scope="session")
def made(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with runs of folds 0, 1 and 2, of one test case each, whose Dice are `DICES`."""

    def make(root: Path) -> None:
        shutil.copytree(trained, root)
        folds = json.loads((root / DATASET / "splits.json").read_text())["folds"]
        for number, dice in enumerate(DICES):
            run = (root / RUN).with_name(f"fold_{number}")
            if number:
                shutil.copytree(root / RUN, run)
                found = load_checkpoint(run / "checkpoint_last.pt").split
                parts = (tuple(folds[number][part]) for part in ("train", "val", "test"))
                change_checkpoints(run, fold=number, split=type(found)(*parts))

            def set_scores(content: dict, number: int = number, dice: float = dice) -> None:
                (case,) = content["cases"]
                (case["case_id"],) = folds[number]["test"]
                count = {"reference_voxels": 1000, "prediction_voxels": 1000, "scan_voxels": 9000}
                case.update(count, dice=dice, common_voxels=round(1000 * dice))

            edit_json(run / "metrics.json", set_scores)

    return made_once(tmp_path_factory, "three_folds", make)


@pytest.fixture
def three_folds(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a copy of the workspace with three runs the current folder."""
    root = tmp_path / "workspace"
    shutil.copytree(made, root)
    monkeypatch.delenv("PROMISE_ROOT", raising=False)
    monkeypatch.chdir(root)


@pytest.mark.usefixtures("three_folds")
def test_each_test_case_counts_once_and_the_interval_is_over_cases() -> None:
    done = evaluate("--folds", 0, 1, 2)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in OUTPUT.iterdir()) == [
        "metrics.csv",
        "metrics.json",
        "metrics.md",
    ]
    found = json.loads((OUTPUT / "metrics.json").read_text())
    test = [
        fold["test"][0] for fold in json.loads((DATASET / "splits.json").read_text())["folds"][:3]
    ]
    assert {case["case_id"]: case["dice"] for case in found["cases"]} == dict(
        zip(test, DICES, strict=True)
    )
    dice = found["summary"]["overall"]["dice"]
    assert (dice["n"], dice["mean"]) == (3, pytest.approx(0.5))
    # A mean of three cases drawn with replacement is 0.1 or 0.9 in 1 of 27 draws each, which is above 2.5 %.
    assert dice["interval"] == [pytest.approx(0.1), pytest.approx(0.9)]
    assert "Dice over 3 cases of 3 folds: 0.5000, 95 % interval 0.1000 to 0.9000" in done.stdout
    assert evaluate("-f", 0, "-f", 1, "--fold", 2, "-o", "there").exit_code == 0
    assert json.loads(Path("there/metrics.json").read_text())["summary"] == found["summary"]


def _unfinish(run: Path) -> None:
    edit_json(run / "config.json", lambda content: content.update(epochs=9))


def _unscore(run: Path) -> None:
    (run / "metrics.json").unlink()


def _change_plan(run: Path) -> None:
    plan = load_checkpoint(run / "checkpoint_last.pt").plan
    change_checkpoints(run, plan=dataclasses.replace(plan, spacing=(2.0, 2.0, 2.0)))


def _change_preset(run: Path) -> None:
    change_checkpoints(run, preset="paper")


def _change_recipe(run: Path) -> None:
    config = load_checkpoint(run / "checkpoint_last.pt").train_config
    change_checkpoints(run, train_config=dataclasses.replace(config, learning_rate=0.5))


def _share_case(run: Path) -> None:
    other = load_checkpoint(run.with_name("fold_0") / "checkpoint_last.pt").split
    change_checkpoints(run, split=other)
    case = other.test[0]
    edit_json(run / "metrics.json", lambda content: content["cases"][0].update(case_id=case))


def _score_other_cases(run: Path) -> None:
    edit_json(run / "metrics.json", lambda content: content["cases"][0].update(case_id="x"))


def _evaluate_elsewhere(run: Path) -> None:
    edit_json(run / "metrics.json", lambda content: content.update(command="promise-evaluate"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_unfinish, "fold_1/checkpoint_best.pt: only 1 of 9 epochs of the training are done; continue"),
        (_unscore, "fold_1: its test cases are not scored; run promise-train --fold 1 --resume to finish it"),
        (_change_plan, "fold_1: was trained with another plan than results/Task98_Balls/fold_0; train both"),
        (_change_preset, "fold_1: was trained with preset 'paper', but results/Task98_Balls/fold_0 with 'tiny'"),
        (_change_recipe, "fold_1: was trained with learning_rate 0.5, but results/Task98_Balls/fold_0 with"),
        (_share_case, "fold_1: case ball_002 is a test case of results/Task98_Balls/fold_0, too; each case"),
        (_score_other_cases, "fold_1/metrics.json: scores other cases than the test cases of fold 1, such as"),
        (_evaluate_elsewhere, "fold_1/metrics.json: was not written by promise-train; move it away"),
        (shutil.rmtree, "results: no checkpoint of fold 1; trained so far: fold_0, fold_2"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("three_folds")
def test_folds_whose_scores_cannot_be_joined_are_refused(damage, message: str) -> None:
    damage(RUN.with_name("fold_1"))
    done = evaluate("--folds", 0, 1, 2)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert message in line
    assert not OUTPUT.exists()


@pytest.mark.usefixtures("three_folds")
def test_a_file_of_others_in_the_place_of_the_joint_score_is_kept() -> None:
    OUTPUT.mkdir()
    for name in ("metrics.json", "metrics.csv", "metrics.md"):
        (OUTPUT / name).write_text("mine")
        done = evaluate("--folds", 0, 1, 2)
        assert "exists already, and was not written by promise-evaluate" in done.stderr
        assert [path.name for path in OUTPUT.iterdir()] == [name]
        (OUTPUT / name).unlink()
    for expected in ("written into", "replaced the earlier scores in metrics.json"):
        assert expected in evaluate("--folds", 0, 1, 2).stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-f", 0, "--empty", "one"), "--fold joins the scores that promise-train wrote (NSD at 5 mm); leave out"),
        (("-f", 0, "--tolerance", 1), "--fold joins the scores that promise-train wrote (NSD at 5 mm); leave out"),
        (("-m", RUN), "--model works only together with --fold or --clicks; add --fold N, or give"),
        (("--name", "x", "-d", "98"), "--name and --dataset work only together with --fold or --clicks"),
        (("--runs", "-f", 0), "--runs lists all training runs; leave out --fold"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("in_folder")
def test_options_without_a_meaning_for_the_folds_are_refused(words: tuple, message: str) -> None:
    done = evaluate(*words)
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert message in done.stderr


@pytest.mark.usefixtures("three_folds")
def test_the_table_of_runs_has_a_row_for_folds_that_were_trained_alike() -> None:
    named = RUN.parent / "promise__wide" / "fold_0"
    shutil.copytree(RUN, named)
    _unfinish(named)
    (RUN.with_name("fold_2") / "metrics.json").write_text("damaged")
    done = evaluate("--runs")
    assert done.exit_code == 0, done.output
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in done.stdout.splitlines()
        if line.startswith("│")
    ]
    assert [row[:8] for row in rows] == [
        ["Task98_Balls", "promise", "tiny", "-", "1", "0 1 2", "-", "2"],
        ["Task98_Balls", "promise", "tiny", "wide", "9", "-", "0 (epoch 1)", "1"],
    ]
    assert rows[0][8] == "0.7000"


@pytest.mark.usefixtures("in_folder")
def test_a_workspace_without_runs_has_no_table() -> None:
    assert evaluate("--runs").stderr == (
        "error: results: no training run; run promise-train --fold 0 first\n"
    )
