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


def test_experiments_use_only_what_the_page_of_the_api_lists() -> None:
    listed = set(re.findall(r"^::: (\S+)", (ROOT / "docs/api.md").read_text(), re.M))
    used = [
        (node.module, alias.name)
        for path in sorted((ROOT / "experiments").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("promise_cli")
        for alias in node.names
    ]
    assert len(used) > 50
    homes = {(_home(str(module), name), name) for module, name in used}
    missing = {f"{home}.{name}" for home, name in homes if home not in listed}
    assert missing - listed == set()


def _home(module: str, name: str) -> str:
    """The module that defines a name which another one imports and hands on."""
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return _home(str(node.module), name)
    return module
