"""promise-evaluate answers each mistake with one line, which says where, what was found and what to do."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app
from tests.conftest import write_nifti
from tests.test_evaluate_refusals import (  # noqa: F401 - importing them registers their mistakes
    arguments,
    files,
    manifest,
    outputs,
)
from tests.test_evaluate_refusals.mistakes import AFFINE, MISTAKES, box


@pytest.fixture
def folders(in_folder):
    for case in ("a", "b"):
        write_nifti(Path(f"masks/{case}.nii.gz"), box((6, 5, 4)), AFFINE)
        write_nifti(Path(f"labels/{case}.nii.gz"), box(), AFFINE)
    Path("labels/dataset.json").write_text(json.dumps({"labels": {"0": "background", "1": "lump"}}))
    return in_folder


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_in_one_line_and_nothing_is_written(name):
    damage, words, message = MISTAKES[name]
    damage()
    before = sorted(Path().rglob("*"))
    result = CliRunner().invoke(evaluate_app, [*words, "--workers", "0"])
    assert result.stderr == f"error: {message}\n"
    assert result.exit_code == 1
    assert sorted(Path().rglob("*")) == before


def test_there_are_at_least_thirty_kinds():
    assert len(MISTAKES) >= 30
