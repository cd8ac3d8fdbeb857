"""A preprocessed case that was damaged is refused in training, and made again by preprocessing."""

import os
from pathlib import Path

import numpy as np
import pytest

from promise_cli.cli import preprocess_app, train_app
from promise_cli.cli.conduct import explains_errors
from promise_cli.dataset.case import check_voxels
from promise_cli.dataset.splits import Splits
from promise_cli.disk.records import load_record
from promise_cli.errors import DatasetError
from tests.conftest import DATASET
from tests.test_cli import run
from tests.test_train.runs import copy_workspace


def _cut(keep: int):
    return lambda path: os.truncate(path, keep)


def _saved(change):
    return lambda path: np.save(path, change(np.load(path)))


def _as(dtype: type):
    return _saved(lambda array: array.astype(dtype))


def _with(value: float):
    def change(array: np.ndarray) -> np.ndarray:
        array.flat[7] = value
        return array

    return _saved(change)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE = {
    "image.npy": [
        (_cut(0), "EOF: reading magic string, expected 8 bytes got 0"),
        (_cut(90), "EOF: reading array header, expected 118 bytes got 80"),
        (_cut(5000), "mmap length is greater than file size"),
        (_fifo, "image.npy is not a file"),
        (_as(np.float64), "image.npy holds float64 along 3 axes instead of float16 along 3"),
        (_saved(lambda a: a[0]), "image.npy holds float16 along 2 axes instead of float16 along 3"),
        (_saved(lambda a: a[1:]), "image.npy and target.npy have different shapes"),
        (_with(np.nan), "image.npy holds NaN or infinity"),
        (_with(-np.inf), "image.npy holds NaN or infinity"),
    ],
    "target.npy": [
        (_cut(0), "EOF: reading magic string, expected 8 bytes got 0"),
        (_as(np.bool_), "target.npy holds bool along 3 axes instead of uint8 along 3"),
        (_with(2), "target.npy holds values other than 0 and 1"),
        (_with(1), "foreground.npy does not list the voxels of target.npy"),
    ],
    "foreground.npy": [
        (_cut(100), "EOF: reading array header, expected 118 bytes got 90"),
        (_as(np.int32), "foreground.npy holds int32 along 1 axes instead of int64 along 1"),
        (_saved(lambda a: a[::-1]), "foreground.npy does not list the voxels of target.npy"),
    ],
}
"""Ways to damage each array of a case, and what is said about it."""


@pytest.mark.parametrize(
    ("name", "number"), [(name, n) for name, ways in DAMAGE.items() for n in range(len(ways))]
)
def test_a_damaged_array_is_refused_in_training_and_made_again(
    preprocessed: Path, tmp_path: Path, name: str, number: int
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    case = load_record(Splits, root / DATASET / "splits.json").folds[0].train[0]
    path = root / DATASET / "cases" / case / name
    before = path.read_bytes()
    damage, message = DAMAGE[name][number]
    damage(path)
    with pytest.raises(DatasetError) as caught:
        check_voxels(root / DATASET / "cases", case)
    assert f"({message}); run promise-preprocess again" in str(caught.value)
    options = ("--preset", "tiny", "--epochs", "1", "--workers", "0", "--device", "cpu")
    refused = run(train_app, "--fold", "0", *options, "--root", root)
    assert refused.exit_code == 1
    (line,) = refused.stderr.splitlines()
    assert "1 case of fold 0 is missing, damaged or made with" in line or message in line
    assert "run promise-preprocess" in line
    assert not (root / "results").exists()
    made = run(preprocess_app, "98", "--workers", "0", "--root", root)
    assert made.exit_code == 0
    assert "6 cases, 1 written now" in made.output
    assert path.read_bytes() == before


def test_an_early_end_of_a_file_is_not_mistaken_for_ctrl_c() -> None:
    @explains_errors
    def command() -> None:
        raise EOFError("nothing left")

    with pytest.raises(RuntimeError, match="a file ended too early: nothing left"):
        command()
