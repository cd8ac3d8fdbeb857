"""README and docs are correct: command lines parse, links lead to a page and heading, and named code exists."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from promise_cli import cli
from promise_cli.demo.command import LOOKALIKE, MAIN

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, *sorted((ROOT / "experiments").glob("*.md"))]
LINE = re.compile(
    r"^\s*(?:\$ )?(promise-(?:preprocess|train|predict|evaluate|serve) .*)$", re.MULTILINE
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_parses(page: Path) -> None:
    import typer

    for line in LINE.findall(page.read_text()):
        name, *arguments = shlex.split(line, comments=True)
        if any("[" in argument for argument in arguments):
            continue  # a synopsis is not meant to be run
        command = typer.main.get_command(getattr(cli, name.replace("promise-", "") + "_app"))
        command.make_context(name, arguments, resilient_parsing=False)


def test_the_readme_shows_the_demo() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) < 120
    shown = [shlex.join(shlex.split(line, comments=True)) for line in LINE.findall(readme)]
    # The demo runs the README's commands and adds only the names of its dataset and preset. Variants follow them.
    first = shown.index("promise-preprocess Task07")
    shown = shown[first : first + len(MAIN)]
    assert [line.split()[0] for line in shown] == [line.split()[0] for line in MAIN]
    for typed, line in zip(MAIN, shown, strict=True):
        assert set(line.split()) - {"Task07"} <= set(typed.split())
    assert all(line.split()[0] in {"promise-predict", "promise-evaluate"} for line in LOOKALIKE)


def slugs(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        place = page.parent / name if name else page
        assert place.exists(), target
        if anchor:
            assert anchor in slugs(place), target


def test_the_site_shows_every_page() -> None:
    shown = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert shown == {path.name for path in (ROOT / "docs").glob("*.md")}


def test_results_are_one_page_of_short_lines() -> None:
    lines = (ROOT / "docs" / "results.md").read_text().splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 200


def test_the_readme_names_every_module_and_folder() -> None:
    readme = (ROOT / "README.md").read_text()
    rooms = readme[readme.index("## Modules") :]
    for path in (ROOT / "promise_cli").iterdir():
        if path.stem not in {"__init__", "__pycache__", "py", "data"}:
            assert re.search(rf"\b{path.stem}\b", rooms), path.stem


def definitions(tree: ast.Module, prefix: str = "") -> set[str]:
    """Return every function, class and module-level name of a file, with methods and fields as `Class.name`."""
    found = set()
    for node in tree.body:
        names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
        if isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        found |= {prefix + name for name in names}
        if isinstance(node, ast.ClassDef):
            found |= definitions(node, f"{prefix}{node.name}.")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_that_a_page_names_exists(page: Path) -> None:
    for module, names in re.findall(r"`([a-z_/]+\.py)(?::([A-Za-z_., ]+))?`", page.read_text()):
        path = (
            ROOT / module
            if module.startswith(("tests/", "docs/"))
            else ROOT / "promise_cli" / module
        )
        if "/" not in module:
            continue  # the sentence around it names its folder
        known = definitions(ast.parse(path.read_text()))
        for name in names.split(", ") if names else ():
            assert name in known, f"{module}:{name}"


def test_the_method_names_at_least_thirty_places_in_the_code() -> None:
    text = (ROOT / "docs" / "method.md").read_text()
    assert len(re.findall(r"`[a-z_/]+\.py:[A-Za-z_., ]+`", text)) >= 30
