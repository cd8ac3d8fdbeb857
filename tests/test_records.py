"""Records are written and read back unchanged, and files with unknown or wrong fields are refused."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from promise_cli.disk.atomic import whole_file
from promise_cli.disk.records import load_json, load_record, record_to_json, save_record
from promise_cli.errors import PlanError


@dataclass(frozen=True)
class Inner:
    name: str
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    spacing: tuple[float, float, float]
    inner: tuple[Inner, ...]
    by_name: dict[str, int]
    count: int = 1
    score: float | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1, found {self.count}")


RECORD = Outer((1.0, 0.5, 2.0), (Inner("x"), Inner("y", "b")), {"one": 1}, 3, 0.25)


def test_a_record_is_read_back_from_its_file_unchanged(tmp_path: Path) -> None:
    save_record(RECORD, tmp_path / "a" / "record.json")
    assert load_record(Outer, tmp_path / "a" / "record.json") == RECORD


def test_lists_of_numbers_are_written_on_one_line(tmp_path: Path) -> None:
    save_record(RECORD, tmp_path / "record.json")
    assert '"spacing": [ 1.0, 0.5, 2.0 ]' in (tmp_path / "record.json").read_text()


def test_nan_is_written_as_null() -> None:
    assert record_to_json({"a": float("nan"), "b": (1.0, float("inf"))}) == {
        "a": None,
        "b": [1.0, None],
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(cuont=2), "unknown field 'cuont'; did you mean 'count'?"),
        (lambda c: c.pop("spacing"), "missing field 'spacing'; add it or recreate the file"),
        (lambda c: c.update(spacing=[1, 2]), "spacing: expected 3 values, found 2"),
        (lambda c: c.update(spacing=["a", 2, 3]), "spacing[0]: expected a number, found 'a'"),
        (lambda c: c.update(count=True), "count: expected a whole number, found true"),
        (lambda c: c.update(count=0), "count must be at least 1, found 0"),
        (lambda c: c["inner"][1].update(kind="c"), "inner[1]: kind: found 'c'; use one of a, b"),
        (lambda c: c.update(inner={}), "inner: expected a list, found {}"),
        (lambda c: c.update(score="high"), "score: expected a number, found 'high'"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "record.json"
    save_record(RECORD, path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(PlanError) as caught:
        load_record(Outer, path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text('{"count": 1, "count": 2}')
    with pytest.raises(PlanError, match="'count' is named twice"):
        load_record(Outer, path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_json_is_read_in_every_encoding_that_editors_write(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "edited.json"
    path.write_bytes('{"name": "Läsion"}'.encode(encoding))
    assert load_json(path) == {"name": "Läsion"}


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"none\.json: no such file"):
        load_record(Outer, tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"spacing": [1,')
    with pytest.raises(PlanError, match=r"half\.json: not readable as JSON"):
        load_record(Outer, tmp_path / "half.json")


def test_a_file_is_written_whole_or_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("before")

    def write_half() -> None:
        with whole_file(path) as temporary:
            temporary.write_text("aft")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_half()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
