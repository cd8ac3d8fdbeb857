"""What users of nnU-Net and other tools type by habit is explained in one line."""

import pytest
import typer
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app, predict_app, preprocess_app, train_app
from promise_cli.cli.fold import read_folds


def _last_line(app, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output.splitlines()[-1]


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["Task99", "0"], "'0': the fold is an option: give --fold 0"),
        (["7", "--epochs", "3", "1"], "'1': the fold is an option: give --fold 1"),
        (
            ["Task99", "3d_fullres", "0"],
            "'3d_fullres 0': the fold is an option: give --fold 0, and leave out 3d_fullres",
        ),
    ],
)
def test_a_fold_without_its_option_is_refused_with_the_option(arguments, advice: str) -> None:
    assert _last_line(train_app, *arguments) == (2, f"Error: Invalid value for {advice}")


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    ("app", "arguments"),
    [
        (train_app, ["--fold", "every"]),
        (predict_app, ["-i", "imgs", "-p", "points.json", "-f", "-1"]),
        (evaluate_app, ["--clicks", "1", "-f", "0.5"]),
    ],
)
def test_a_fold_is_a_number_or_the_word_all(app, arguments: list[str]) -> None:
    status, line = _last_line(app, *arguments)
    assert status == 2
    assert line.endswith(
        "'--fold': give numbers of folds in splits.json, counted from 0, or all; found"
        f" {arguments[-1]}"
    )


@pytest.mark.parametrize("words", [["0", "1", "2"], ["all"], ["3", "all", "3"]])
@pytest.mark.parametrize("name", ["-f", "--fold"])
@pytest.mark.parametrize("app", [train_app, predict_app, evaluate_app])
def test_folds_are_read_alike_by_every_command(app, name: str, words: list[str]) -> None:
    command = typer.main.get_command(app)
    context = command.make_context(
        "any", [*(["-i", "x"] if app is predict_app else []), name, *words]
    )
    known = {"0": 0, "1": 1, "2": 2, "3": 3, "all": "all"}
    assert read_folds(context.params["fold"]) == tuple(dict.fromkeys(known[word] for word in words))


@pytest.mark.parametrize("app", [preprocess_app, train_app, predict_app, evaluate_app])
def test_every_command_shows_its_version(app) -> None:
    assert _last_line(app, "--version") == (0, "promise_cli 0.1.0")


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "1.5"])
def test_an_impossible_learning_rate_is_refused_with_the_range(rate: str) -> None:
    status, line = _last_line(train_app, "--fold", "0", "--lr", rate)
    assert status == 2
    assert f"give a number above 0 and at most 1, such as 4e-4; found {rate}" in line


def test_a_misspelt_option_is_refused_with_the_nearest_one_only() -> None:
    assert _last_line(train_app, "--fold", "0", "--epoch", "3") == (
        2,
        "Error: No such option: --epoch (Possible options: --epochs)",
    )


@pytest.mark.usefixtures("in_folder")
def test_resuming_may_be_asked_for_as_in_nnunet() -> None:
    status, line = _last_line(train_app, "--fold", "0", "--resume", "--overwrite")
    for typed in ("--c", "-c"):
        assert _last_line(train_app, "--fold", "0", typed, "--overwrite") == (status, line)
    assert status == 1
