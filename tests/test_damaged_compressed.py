"""A compressed case that was damaged, or that its package cannot read, leads to one line that says what to do."""

import pickle
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from promise_cli.cli import preprocess_app, train_app
from promise_cli.dataset.case import check_voxels, is_current, load_case, made_with
from promise_cli.dataset.compressed import library, save_compressed
from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Splits
from promise_cli.disk.records import load_record
from promise_cli.errors import DatasetError
from promise_cli.preprocess.command import preprocess
from tests.conftest import DATASET, edit_json
from tests.test_cli import run
from tests.test_compressed_cases import note_checksum
from tests.test_train.runs import copy_workspace

TINY = ("--preset", "tiny", "--epochs", "1", "--workers", "0", "--device", "cpu")


def _bytes(change):
    """Change the bytes of a file, and leave its checksum in case.json as it is."""
    return lambda path: path.write_bytes(change(path.read_bytes()))


def _noted(change):
    """Change the bytes of a file, and the checksum as well."""
    return lambda path: note_checksum(path, change(path.read_bytes()))


def _array(change):
    """Change the array of a file, and the checksum as well."""

    def rewrite(path: Path) -> None:
        array = library().open(str(path))[...]
        note_checksum(path, save_compressed(path, change(array), 64))

    return rewrite


def _with(value: float):
    def change(array: np.ndarray) -> np.ndarray:
        array.flat[7] = value
        return array

    return _array(change)


def _flip(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[len(content) // 2] ^= 16
    return bytes(changed)


def _shape(*shape: int):
    """Claim another shape in the header, whose lengths begin after the name of the array."""

    def change(content: bytes) -> bytes:
        place = content.index(b"\x97\x00\x03\x93") + 4
        claimed = b"".join(b"\xd3" + struct.pack(">q", n) for n in shape)
        return content[:place] + claimed + content[place + len(claimed) :]

    return change


def _other_content(path: Path) -> None:
    """Write a file of blosc2 that holds an array and further objects."""
    array = library().asarray(np.zeros((20, 20, 20), np.float16), meta={"b2o": {"kind": "x"}})
    note_checksum(path, array.to_cframe())


OURS = "is not an array that promise-preprocess wrote"
DAMAGE = {
    "image.b2nd": [
        (_bytes(lambda _: b""), f"image.b2nd {OURS}"),
        (_bytes(lambda content: content[:1000]), "image.b2nd has 1000 bytes instead of"),
        (_bytes(lambda content: content[:100]), f"image.b2nd {OURS}"),
        (_noted(lambda content: content + b"\0"), "bytes instead of"),
        (_noted(lambda _: pickle.dumps(print)), f"image.b2nd {OURS}"),
        (_other_content, f"image.b2nd {OURS}"),
        (_bytes(_flip), "image.b2nd does not have the checksum that case.json gives"),
        (_noted(_shape(1 << 20, 1 << 20, 1 << 20)), "1048576 elements, which no case has"),
        (_noted(_shape(4000, 30, 1)), "image.b2nd has a damaged header"),
        (_noted(_shape(-1, 30, 30)), "image.b2nd has a damaged header"),
        (_array(lambda a: a.astype(np.float64)), "holds float64 along 3 axes instead of float16"),
        (_array(lambda a: a[0]), "holds float16 along 2 axes instead of float16 along 3"),
        (_array(lambda a: a[1:]), "image.b2nd and target.b2nd have different shapes"),
        (_with(np.nan), "image.b2nd holds NaN or infinity"),
        (_with(-np.inf), "image.b2nd holds NaN or infinity"),
    ],
    "target.b2nd": [
        (Path.unlink, "No such file or directory"),
        (_array(lambda a: a.astype(np.int8)), "target.b2nd holds int8 along 3 axes instead of"),
        (_with(2), "target.b2nd holds values other than 0 and 1"),
        (_with(1), "foreground.b2nd does not list the voxels of target.b2nd"),
    ],
    "foreground.b2nd": [
        (_array(lambda a: a.astype(np.int32)), "holds int32 along 1 axes instead of int64"),
        (_array(lambda a: a[::-1]), "foreground.b2nd does not list the voxels of target.b2nd"),
    ],
}
"""Ways to damage each array of a case, and what is said about it."""


@pytest.mark.parametrize("name", DAMAGE)
def test_each_damage_is_named_and_made_again(compressed: Path, tmp_path: Path, name: str) -> None:
    root = copy_workspace(compressed, tmp_path)
    cases = root / DATASET / "cases"
    case = load_record(Splits, root / DATASET / "splits.json").folds[0].train[0]
    kept = shutil.copytree(cases / case, tmp_path / "kept")
    for damage, message in DAMAGE[name]:
        damage(cases / case / name)
        with pytest.raises(DatasetError) as caught:
            check_voxels(cases, case)
        assert message in str(caught.value)
        assert str(caught.value).endswith("; run promise-preprocess again")
        assert str(cases) in str(caught.value)
        shutil.rmtree(cases / case)
        shutil.copytree(kept, cases / case)
    damage(cases / case / name)
    refused = run(train_app, "--fold", "0", *TINY, "--root", root)
    assert refused.exit_code == 1
    (line,) = refused.stderr.splitlines()
    assert "run promise-preprocess" in line
    assert not (root / "results").exists()
    made = run(preprocess_app, "98", "--workers", "0", "--root", root)
    assert "6 cases, 1 written now" in made.output
    for path in kept.iterdir():
        assert (cases / case / path.name).read_bytes() == path.read_bytes()


def test_damage_after_the_check_is_one_line_that_names_the_file(
    compressed: Path, tmp_path: Path
) -> None:
    cases = copy_workspace(compressed, tmp_path) / DATASET / "cases"
    case = load_case(cases, "ball_001")
    path = cases / "ball_001" / "image.b2nd"
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(250)
        file.write(bytes(len(content) - 450))
    with pytest.raises(
        DatasetError, match=r"ball_001/image\.b2nd: damaged, .*; run promise-preprocess again"
    ):
        np.asarray(case.image)


def test_an_array_that_does_not_fit_into_memory_is_not_read(
    compressed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promise_cli.dataset.case_arrays.free_memory", lambda: 100)
    with pytest.raises(DatasetError, match=r"ball_001: an array unpacks to .* 0 kB of memory are"):
        check_voxels(compressed / DATASET / "cases", "ball_001")


def test_a_case_without_checksums_is_made_again(compressed: Path, tmp_path: Path) -> None:
    root = copy_workspace(compressed, tmp_path)
    case = root / DATASET / "cases" / "ball_001"
    edit_json(case / "case.json", lambda record: record.pop("checksums"))
    plan = load_record(Plan, root / DATASET / "plans.json")
    assert not made_with(plan, case)
    assert preprocess("98", root=root, workers=0).num_new == 1
    assert made_with(plan, case)


MISSING = (
    "error: cases stored as .b2nd need the package blosc2 3.8 or newer, but {};"
    " use pip install 'promise_cli[blosc2]'\n"
)


@pytest.fixture
def library_is_looked_for_again():
    library.cache_clear()
    yield
    library.cache_clear()


@pytest.mark.usefixtures("library_is_looked_for_again")
@pytest.mark.parametrize("found", ["it is not installed", "version 3.6.1 is too old"])
def test_a_missing_or_old_package_is_one_line(
    compressed: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    if "old" in found:
        import blosc2

        monkeypatch.setattr(blosc2, "__version__", "3.6.1")
    else:
        monkeypatch.setitem(sys.modules, "blosc2", None)
    root = dataset.parent
    line = ("98", "--workers", "0", "--root")
    asked = run(preprocess_app, *line, root, "--cases-format", "blosc2")
    assert (asked.exit_code, asked.stderr) == (1, MISSING.format(found))
    assert not (root / "preprocessed").exists()
    again = run(preprocess_app, *line, compressed)
    assert (again.exit_code, again.stderr) == (1, MISSING.format(found))
    trained = run(train_app, "--fold", "0", *TINY, "--root", compressed)
    assert (trained.exit_code, trained.stderr) == (1, MISSING.format(found))
    assert run(preprocess_app, *line, root).exit_code == 0


def test_is_current_asks_for_the_format_of_the_plan(compressed: Path) -> None:
    import dataclasses

    from promise_cli.dataset.folder import read_dataset

    files = read_dataset(compressed / "Task98_Balls").cases[0]
    plan = load_record(Plan, compressed / DATASET / "plans.json")
    plain = dataclasses.replace(plan, cases_format="npy")
    cases = compressed / DATASET / "cases"
    assert plan == plain
    assert is_current(files, plan, cases)
    assert not is_current(files, plain, cases)
    assert made_with(plain, cases / files.case_id)
