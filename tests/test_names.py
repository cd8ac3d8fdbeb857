"""Names from files cannot change what a terminal shows, and names that no encoding can hold are written escaped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from promise_cli import console
from promise_cli.cli import preprocess_app
from promise_cli.disk.atomic import write_text
from promise_cli.disk.records import load_json
from promise_cli.errors import PromiseError
from tests.conftest import DATASET, edit_json
from tests.test_cli import run

NASTY = "tumour\x1b[31m\n\u202eevil\ud800"


def test_names_that_a_terminal_would_act_on_are_escaped(dataset: Path) -> None:
    edit_json(
        dataset / "dataset.json", lambda content: content.update(labels={"0": "b", "1": NASTY})
    )
    done = run(preprocess_app, "98", "--root", dataset.parent, "--workers", "0")
    assert done.exit_code == 0
    assert r"target 1 (tumour\x1b[31m\n\u202eevil\ud800)" in done.output
    assert all(line.isprintable() for line in done.output.splitlines())
    plan = load_json(dataset.parent / DATASET / "plans.json")
    assert plan["target_name"] == NASTY
    again = run(preprocess_app, "98", "--root", dataset.parent, "--workers", "0")
    assert "6 cases, 0 written now" in again.output


@pytest.mark.parametrize("show", [console.say, console.warn, console.fail])
def test_every_kind_of_message_is_escaped(show, capsys: pytest.CaptureFixture[str]) -> None:
    show("case \x1b[2J\u200f\x00 x")
    console.show_table("t\x1b", ("case\x1b",), [("\x07",)])
    shown = "".join(capsys.readouterr())
    assert r"case \x1b[2J\u200f\x00 x" in shown
    assert not {"\x1b", "\x07", "\u200f", "\x00"} & set(shown)


def test_the_text_of_an_error_is_one_line_that_a_terminal_shows_as_it_is() -> None:
    error = PromiseError(f"a.json: found {NASTY};\n  fix it")
    assert str(error) == r"a.json: found tumour\x1b[31m \u202eevil\ud800; fix it"


def test_text_that_utf8_cannot_hold_is_read_back_from_json(tmp_path: Path) -> None:
    content = {"name": "a\udcffb"}
    write_text(tmp_path / "a.json", json.dumps(content, ensure_ascii=False))
    assert load_json(tmp_path / "a.json") == content


UMLAUT = "b\u00e4ll_001"


@pytest.mark.slow
def test_a_locale_without_umlauts_ends_in_one_line_that_says_what_to_set(dataset: Path) -> None:
    """In the locale `C` without UTF-8 mode, the names of files and those within files differ."""
    for part in ("imagesTr", "labelsTr"):
        (dataset / part / "ball_001.nii.gz").rename(dataset / part / f"{UMLAUT}.nii.gz")
    text = (dataset / "dataset.json").read_text().replace("ball_001", UMLAUT)
    (dataset / "dataset.json").write_text(text.replace("tumour", "tum\u00f6r"), encoding="utf-8")
    points = dataset / "points.json"
    points.write_text(json.dumps({UMLAUT: [14, 13, 10]}))
    evaluated = ("evaluate", dataset / "labelsTr", dataset)
    for command, *more in (
        ("preprocess", dataset, "--root", dataset.parent, "--workers", "0"),
        ("predict", "-i", dataset / "imagesTr", "-p", points, "--root", dataset.parent),
        evaluated,
    ):
        code = f"from promise_cli.cli import {command}_app; {command}_app()"
        environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, more)],
            capture_output=True, check=False, env=environment, cwd=Path(__file__).parents[1],
        )  # fmt: skip
        lines = done.stderr.decode("ascii").splitlines()
        assert done.returncode == 1
        assert lines[-1].startswith("error: ")
        assert "Traceback" not in done.stderr.decode("ascii")
        assert lines[-1].endswith("set PYTHONUTF8=1, since this locale cannot read it")
