"""What users of nnU-Net and other tools type by habit is explained in one line."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from promise_cli import cli, console
from promise_cli.cli import evaluate_app, predict_app, preprocess_app, train_app
from promise_cli.cli.fold import read_folds
from tests.conftest import DATASET


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


@pytest.mark.parametrize("app", [preprocess_app, train_app, predict_app, evaluate_app])
def test_help_has_a_short_option_and_the_width_of_the_terminal(
    app, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = []
    command = typer.main.get_command(app)
    context = command.make_context("any", [], resilient_parsing=True)
    assert "-h, --help" in command.get_help(context)
    for columns in ("70", "170"):
        monkeypatch.setenv("COLUMNS", columns)
        widths.append(max(map(len, command.get_help(context).splitlines())))
    assert widths[0] <= 70
    assert 120 < widths[1] <= 170


@pytest.mark.parametrize("name", ["preprocess", "train", "predict", "evaluate"])
def test_shells_can_complete_the_options_of_every_command(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process without a terminal may have no shell among its parents.
    monkeypatch.setattr("shellingham.detect_shell", lambda *_, **__: ("bash", "/bin/bash"))
    app = getattr(cli, f"{name}_app")
    done = CliRunner().invoke(app, ["--show-completion", "bash"], prog_name=f"promise-{name}")
    assert (done.exit_code, f"_PROMISE_{name.upper()}_COMPLETE=complete_bash" in done.stdout) == (
        0, True,
    )  # fmt: skip
    asked = {
        f"_PROMISE_{name.upper()}_COMPLETE": "complete_bash",
        "COMP_WORDS": f"promise-{name} --roo",
        "COMP_CWORD": "1",
    }
    done = CliRunner().invoke(app, [], prog_name=f"promise-{name}", env=asked)
    assert done.stdout.strip() == "--root"


@pytest.mark.parametrize(
    "words", [["98"], ["-d", "98"], ["Task98", "-d", "Task98"], ["--dataset", "98"]]
)
def test_the_dataset_is_named_by_argument_or_by_option(dataset: Path, words: list[str]) -> None:
    line = [*words, "--root", str(dataset.parent), "--workers", "0", "--quiet"]
    done = CliRunner().invoke(preprocess_app, line)
    assert (done.exit_code, done.output) == (0, "")
    assert (dataset.parent / DATASET / "plans.json").exists()


@pytest.mark.parametrize("app", [preprocess_app, train_app])
def test_two_names_of_the_dataset_are_refused(app) -> None:
    words = ["98", "-d", "7", *(["-f", "0"] if app is train_app else [])]
    status, line = _last_line(app, *words)
    assert status == 2
    assert "'-d': the argument names the dataset 98, and the option 7; leave out one" in line


def test_a_dataset_is_needed() -> None:
    assert _last_line(preprocess_app, "-q") == (
        2,
        "Error: Invalid value for 'TASK': name a dataset, such as Task07 or -d 7",
    )


@pytest.mark.usefixtures("in_folder")
def test_a_quiet_command_still_prints_its_error() -> None:
    done = CliRunner().invoke(preprocess_app, ["-q", "98"])
    assert done.output.startswith("error: '98': unknown task")
    assert (console.out.quiet, console.err.quiet, console.err.shows_bars) == (False, False, True)
