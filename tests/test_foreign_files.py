"""No command replaces or removes a file that this tool did not write, with or without `--overwrite`."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app, predict_app, preprocess_app, train_app
from promise_cli.demo.phantom import write_phantom
from promise_cli.disk.atomic import remove_leftovers, whole_file, whole_folder
from promise_cli.errors import PromiseError
from promise_cli.train.run_files import MARKS
from tests.conftest import DATASET, RUN

PACKAGE = Path(__file__).resolve().parents[1] / "promise_cli"
PREDICT = (predict_app, "-i", "imgs", "-p", "points.json", "--device", "cpu")
SCORE = (evaluate_app, "out", "Task98_Balls", "--workers", 0)
STUDY = (evaluate_app, "--fold", 0, "--clicks", 1, "--device", "cpu", "-o", "study")
FOLDS = (evaluate_app, "--fold", 0, "-o", "folds")
TRAIN = (train_app, "--fold", 0, "--preset", "tiny", "--epochs", 1, "--device", "cpu")
PREPROCESS = (preprocess_app, "98", "--workers", 0)
FOREIGN = (
    b"mine",
    b'{"mine": [1]}',
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"<html>mine</html>",
    b"a,b\n",
)

TABLE = [
    *((PREPROCESS, DATASET / name, ("--overwrite",)) for name in ("fingerprint.json", "plans.json")),
    *((PREPROCESS, DATASET / "cases" / "ball_001" / name, ("--overwrite",)) for name in ("notes.txt", ".hidden")),
    *((TRAIN, RUN / name, ("--overwrite",)) for name in MARKS),
    (TRAIN, RUN / ".lock", ("--overwrite",)),
    (PREDICT, Path("predictions/imgs/ball_001.nii.gz"), ()),
    (PREDICT, Path("predictions/imgs/predictions.json"), ()),
    (PREDICT, Path("predictions/imgs/failures.json"), ()),
    (PREDICT, Path("predictions/.imgs.lock"), ()),
    ((*PREDICT, "--report"), Path("predictions/imgs/report.html"), ()),
    ((*PREDICT, "--save-prob"), Path("predictions/imgs/probabilities/ball_001.nii.gz"), ()),
    ((*PREDICT, "--write-points", "clicks.json"), Path("clicks.json"), ()),
    ((*PREDICT, "--write-points", "clicks"), Path("clicks/ball_001.mrk.json"), ()),
    *((SCORE, Path("out") / name, None) for name in ("metrics.json", "metrics.csv", "metrics.md", "report.html")),
    ((*SCORE, "--format", "nnunet"), Path("out/summary.json"), None),
    *((STUDY, Path("study") / name, ()) for name in ("clicks.json", "clicks.csv", "clicks.md", "report.html")),
    *((FOLDS, Path("folds") / name, None) for name in ("metrics.json", "metrics.csv", "metrics.md")),
    (STUDY, Path("study/unfinished/ball_001.json"), ()),
]  # fmt: skip
"""Call, output, and options besides `--overwrite`; None: the command has no such option."""


def call(line: tuple, *more: object):
    app, *arguments = line
    return CliRunner().invoke(app, [str(word) for word in (*arguments, *more)])


def contents(root: Path) -> dict[str, bytes]:
    """Return all files but empty locks and what `.preprocessing` holds."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.stat().st_size and ".preprocessing" not in path.parts
    }


@pytest.mark.parametrize(("line", "name", "options"), TABLE, ids=[str(row[1]) for row in TABLE])
def test_a_file_of_others_in_the_place_of_an_output_is_refused_and_kept(
    balls: Path, line: tuple, name: Path, options: tuple | None
) -> None:
    shutil.copytree("Task98_Balls/labelsTr", "out")
    name.parent.mkdir(parents=True, exist_ok=True)
    for foreign in FOREIGN:
        name.write_bytes(foreign)
        before = contents(balls)
        for more in ((), ("--overwrite",)) if options is not None else ((),):
            if line is PREPROCESS and name.parent.name == "ball_001" and not more:
                continue  # the case is up to date, so nothing is replaced
            done = call(line, *more)
            assert done.exit_code == 1, (more, done.output)
            (message,) = [one for one in done.stderr.splitlines() if one.startswith("error: ")]
            assert str(name) in message or (not more and "a run exists already" in message)
            assert contents(balls) == before


@pytest.mark.parametrize("name", list(MARKS))
def test_files_of_a_run_are_recognised_as_its_own(trained: Path, name: str) -> None:
    path = trained / RUN / name
    if path.exists():
        assert MARKS[name].search(path.read_bytes().decode("latin-1"))


@pytest.mark.slow
def test_overwrite_replaces_clicks_that_the_tool_wrote_itself(balls: Path) -> None:
    for name in ("clicks.json", "clicks"):
        line = (*PREDICT, "-o", name.partition(".")[0] + "_masks", "--write-points", name)
        assert call(line).exit_code == 0
        assert "exists already; give another name, or --overwrite" in call(line).stderr
        assert call(line, "--overwrite").exit_code == 0
    path = balls / "clicks" / "ball_001.mrk.json"
    saved = (
        path.read_text().replace('"name": "clicks",', "").replace('"type"', '"locked": 0,\n "type"')
    )
    path.write_text(saved)  # as Slicer saves it
    done = call(line, "--overwrite")
    assert (
        f"clicks/{path.name}: exists already, and was not written by promise-predict" in done.stderr
    )
    assert path.read_text() == saved


LEFT, HIDDEN = (
    ".tmp-0123abcd-ball_001.nii.gz",
    (".tmp-mine", ".tmp-0123abcd", ".tmp-0123ABCD-x", ".x"),
)


@pytest.mark.usefixtures("balls")
@pytest.mark.parametrize(
    ("line", "folder"),
    [
        (PREPROCESS, DATASET),
        (PREPROCESS, DATASET / "cases"),
        (PREDICT, Path("predictions/imgs")),
        (SCORE, Path("out")),
    ],
)
def test_leftovers_of_a_killed_call_are_removed_and_hidden_files_kept(
    line: tuple, folder: Path
) -> None:
    shutil.copytree("Task98_Balls/labelsTr", "out")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (LEFT, *HIDDEN):
        (folder / name).write_text("half")
    done = call(line)
    assert done.exit_code == 0, done.output
    assert not (folder / LEFT).exists()
    assert all((folder / name).read_text() == "half" for name in HIDDEN)


def test_a_file_that_another_process_writes_is_no_leftover(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from promise_cli.disk.atomic import whole_file, whole_folder\n"
        "with whole_file(pathlib.Path('a.txt')) as one, whole_folder(pathlib.Path('b')) as two:\n"
        "    one.write_text('a'); (two / 'c').write_text('c'); print('begun', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    ) as other:  # fmt: skip
        assert other.stdout.readline() == b"begun\n"
        remove_leftovers(tmp_path)
        assert len(list(tmp_path.iterdir())) == 2
        other.stdin.close()
        assert other.wait() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b"]


def test_a_name_of_255_bytes_can_be_written_and_a_longer_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 123 + "x.nii.gz" + "y")
    with whole_file(path) as temporary:
        assert temporary.name.endswith("x.nii.gzy")
        temporary.write_text("there")
    with whole_folder(tmp_path / ("z" * 255)) as temporary:
        (temporary / "one").write_text("1")
    assert path.read_text() == "there"
    with pytest.raises(OSError, match="too long") as caught, whole_file(tmp_path / ("ä" * 128)):
        pass
    assert caught.value.filename == str(tmp_path / ("ä" * 128))


@pytest.mark.parametrize("name", ["dataset.json", "imagesTr/phantom_001.nii.gz"])
def test_the_phantom_replaces_no_dataset_of_others(tmp_path: Path, name: str) -> None:
    path = tmp_path / "Task99_Phantom" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(PromiseError, match="was not written by promise_cli"):
        write_phantom(tmp_path, 5)
    assert path.read_text() == "mine"


REMOVES = {"unlink", "rmtree", "rmdir", "replace", "rename"}
PLACES = {
    "demo/command.py": 1, "demo/phantom.py": 2, "disk/atomic.py": 9, "disk/lock.py": 2, "disk/ours.py": 1,
    "evaluate/clicks/kept.py": 1, "predict/predictions_file.py": 3, "preprocess/folds.py": 1,
    "report/evaluation.py": 1,
    "scores/folder.py": 3, "scores/study_files.py": 3, "train/replacing.py": 2,
    "train/run.py": 1,
}  # fmt: skip
"""Number of calls that remove or rename a file, by module. Before a new one is added here, see `disk/ours.py`."""


def test_files_are_removed_only_where_the_rule_was_looked_at() -> None:
    found: dict[str, int] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            of_paths = node.func.attr != "replace" or len(node.args) == 1
            if (
                node.func.attr in REMOVES
                and of_paths
                and ast.unparse(node.func.value) != "dataclasses"
            ):
                name = path.relative_to(PACKAGE).as_posix()
                found[name] = found.get(name, 0) + 1
    assert found == PLACES
