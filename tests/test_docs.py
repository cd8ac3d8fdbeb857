"""What README and docs show is true: command lines parse, links lead somewhere, module names exist."""

import re
import shlex
from pathlib import Path

import pytest

from promise_cli import cli
from promise_cli.demo.command import LOOKALIKE, MAIN

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINE = re.compile(r"^\s*(?:\$ )?(promise-(?:preprocess|train|predict|evaluate) .*)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_parses(page: Path) -> None:
    import typer

    for line in LINE.findall(page.read_text()):
        name, *arguments = shlex.split(line, comments=True)
        if any("[" in argument for argument in arguments):
            continue  # a synopsis
        command = typer.main.get_command(getattr(cli, name.replace("promise-", "") + "_app"))
        command.make_context(name, arguments, resilient_parsing=False)


def test_the_readme_shows_the_demo() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) < 120
    shown = [shlex.join(shlex.split(line, comments=True)) for line in LINE.findall(readme)]
    # The README's own words for each command; the demo adds only the names of its dataset and preset.
    assert [line.split()[0] for line in shown] == [line.split()[0] for line in MAIN]
    for typed, line in zip(MAIN, shown, strict=True):
        assert set(line.split()) - {"Task07"} <= set(typed.split())
    assert all(line.split()[0] in {"promise-predict", "promise-evaluate"} for line in LOOKALIKE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_names_every_room() -> None:
    readme = (ROOT / "README.md").read_text()
    rooms = readme[readme.index("## Rooms") :]
    for path in (ROOT / "promise_cli").iterdir():
        if path.stem not in {"__init__", "__pycache__", "py", "data"}:
            assert re.search(rf"\b{path.stem}\b", rooms), path.stem


def test_the_method_names_functions_that_exist() -> None:
    for module, names in re.findall(
        r"`([a-z_/]+\.py):([A-Za-z_., ]+)`", (ROOT / "docs" / "method.md").read_text()
    ):
        source = (ROOT / "promise_cli" / module).read_text()
        for name in names.split(", "):
            for part in name.split("."):
                assert re.search(rf"\b{part}\b", source), f"{module}:{name}"
