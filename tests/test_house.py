"""The project keeps its shape: few modules and folders, short files, and tests that use no private names of others."""

import ast
import re
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILES = sorted((ROOT / "promise_cli").rglob("*.py"))


def test_the_package_has_at_most_twenty_modules_and_folders() -> None:
    rooms = {path.name for path in (ROOT / "promise_cli").iterdir()}
    rooms -= {"__init__.py", "__pycache__", "data", "py.typed"}
    assert len(rooms) <= 20


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in FILES}
    assert median(lengths.values()) < 130
    assert [path for path, length in lengths.items() if length > 300] == []


def test_names_of_tests_have_at_most_eighty_characters() -> None:
    names = [
        name for path in TESTS for name in re.findall(r"^\s*def (test_\w+)", path.read_text(), re.M)
    ]
    assert len(names) > 500
    assert [name for name in names if len(name) > 80] == []


def test_no_test_imports_private_names_of_another() -> None:
    private = [
        f"{path.name}: {alias.name}"
        for path in TESTS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests")
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert private == []
