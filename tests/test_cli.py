"""The commands' --help imports nothing heavy, and what a user can fix is reported in one line."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app, predict_app, preprocess_app, train_app
from tests.conftest import write_dataset

COMMANDS = ("preprocess", "train", "predict", "evaluate", "serve")
HEAVY = {
    "batchgenerators",
    "torch",
    "starlette",
    "uvicorn",
    "blosc2",
    "monai",
    "numpy",
    "scipy",
    "nibabel",
    "SimpleITK",
    "matplotlib",
    "torchvision",
}


def run(app, *arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from promise_cli import cli; from typer.testing import CliRunner;"
        "results = [CliRunner().invoke(getattr(cli, f'{name}_app'), ['--help']) for name in"
        f" {COMMANDS!r}]; assert all(r.exit_code == 0 and 'Usage' in r.output for r in results);"
        f"print(*({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("stage", ["preprocess", "evaluate"])
def test_preprocessing_and_evaluation_load_no_torch(stage: str) -> None:
    code = f"import sys, promise_cli.{stage}; print(*({{'torch', 'monai', 'torchvision'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.slow
def test_torchvision_is_never_loaded() -> None:
    code = (
        "import sys, promise_cli.train, promise_cli.session.predictor;"
        "from promise_cli.network.promise import ProMISe, model_config;"
        "ProMISe(model_config('tiny')); print('torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    "arguments", [["-f", "0", "1"], ["-f", "0", "-f", "1"], ["--fold", "0", "1"]]
)
def test_several_folds_may_follow_one_option(arguments: list[str]) -> None:
    result = run(predict_app, "-i", "none", "-p", "none.json", *arguments)
    assert result.exit_code == 1
    assert result.stderr == "error: none: no such scan or folder\n"


@pytest.mark.usefixtures("in_folder")
def test_wrong_usage_is_status_2() -> None:
    assert run(train_app).exit_code == 2
    assert run(predict_app, "-i", "x").exit_code == 2
    assert run(evaluate_app, "--empty", "maybe").exit_code == 2


@pytest.mark.parametrize(
    ("app", "arguments", "message"),
    [
        (
            preprocess_app,
            ["Task55"],
            "'Task55': unknown task; searched {here}; datasets there: Task98_Balls; give the dataset's path, or --root",
        ),
        (
            preprocess_app,
            ["far/away"],
            "far/away: no such folder; give an MSD folder with dataset.json",
        ),
        (
            train_app,
            ["--fold", "0"],
            "preprocessed: no preprocessed dataset; run promise-preprocess TASK first",
        ),
        (
            predict_app,
            ["-i", "Task98_Balls/imagesTr", "-p", "points.json"],
            "results: no such run or checkpoint; run promise-train --fold 0 first, or give -m FILE",
        ),
    ],
)
def test_a_missing_input_is_reported_in_one_line_with_status_1(
    in_folder: Path, app, arguments: list[str], message: str
) -> None:
    write_dataset(in_folder / "Task98_Balls")
    (in_folder / "points.json").write_text(json.dumps({"ball_001": [1, 1, 1]}))
    before = sorted(in_folder.rglob("*"))
    result = run(app, *arguments)
    assert result.exit_code == 1
    assert result.stderr == f"error: {message.format(here=in_folder)}\n"
    assert sorted(in_folder.rglob("*")) == before


@pytest.mark.usefixtures("in_folder")
def test_brackets_and_long_paths_are_printed_unchanged() -> None:
    folder = "data [old]/" + "x" * 150
    result = run(preprocess_app, folder)
    assert (
        result.stderr == f"error: {folder}: no such folder; give an MSD folder with dataset.json\n"
    )


def test_a_folder_that_cannot_be_written_is_reported_in_one_line(in_folder: Path) -> None:
    write_dataset(in_folder / "Task98_Balls")
    (in_folder / "preprocessed").write_text("in the way")
    result = run(preprocess_app, "98", "--workers", "0")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: preprocessed")
    assert result.stderr.count("\n") == 1


def test_a_folder_in_place_of_a_file_is_reported_in_one_line(in_folder: Path) -> None:
    write_dataset(in_folder / "Task98_Balls")
    (in_folder / "Task98_Balls" / "dataset.json").unlink()
    (in_folder / "Task98_Balls" / "dataset.json").mkdir()
    result = run(preprocess_app, "98")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: Task98_Balls/dataset.json: not readable")
    assert result.stderr.count("\n") == 1


def test_closing_the_pipe_that_reads_the_output_does_not_stop_the_command(in_folder: Path) -> None:
    code = (
        "from promise_cli.console import say\n"
        "for _ in range(3000): say('x' * 200)\n"
        "open('done', 'w').close()"
    )
    line = f'"{sys.executable}" -c "{code}" | head -1'
    subprocess.run(line, shell=True, check=True, capture_output=True, timeout=60)
    assert (in_folder / "done").exists()


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EROFS, "check its permissions, or put the results elsewhere with --root FOLDER (name a dataset by its"
         " path)"),
        (errno.EACCES, "check its permissions, or put the results elsewhere with --root FOLDER (name a dataset by its"
         " path)"),
        (errno.ENOSPC, "are free; make room, then run the command again"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("dataset", "in_folder")
def test_a_folder_that_cannot_be_written_to_leads_to_the_option_root(
    monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    done = CliRunner().invoke(preprocess_app, ["98", "--workers", "0"])
    assert done.exit_code == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: .preprocessing/")
    assert f": {os.strerror(number)}; " in error
    assert error.endswith(f"; {advice}" if number != errno.ENOSPC else advice)
