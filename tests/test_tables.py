import io

import pytest

from promise_cli import console
from promise_cli.console import PatientConsole, counted, show_table

NAMES = ("phantom_001", "a [bracketed] name")
COLUMNS = ("case", *(f"column number {number}" for number in range(9)))
ROWS = [(name, *(f"{name[:3]}{number}" for number in range(9))) for name in NAMES]


def shown(monkeypatch, columns, rows, *, width=80, terminal=True):
    file = io.StringIO()
    there = PatientConsole(
        file=file, width=width, force_terminal=terminal, color_system=None, emoji=False
    )
    monkeypatch.setattr(console, "out", there)
    show_table("A title", columns, rows)
    return file.getvalue()


def test_a_table_wider_than_the_terminal_repeats_its_names_in_each_part(monkeypatch):
    text = shown(monkeypatch, COLUMNS, ROWS)
    parts = text.count("┏")
    assert parts > 1
    assert [text.count(name) for name in NAMES] == [parts, parts]
    assert all(text.count(cell) == 1 for row in ROWS for cell in row[1:])
    assert all(text.count(column) == 1 for column in COLUMNS[1:])
    assert max(map(len, text.splitlines())) <= 80


def test_a_table_that_fits_the_terminal_is_printed_in_one_part(monkeypatch):
    text = shown(monkeypatch, COLUMNS[:4], [row[:4] for row in ROWS])
    assert text.count("┏") == 1
    assert all(name in text for name in NAMES)


@pytest.mark.parametrize("name", ["long_" * 30, "名前" * 40], ids=["letters", "wide-letters"])
def test_a_name_longer_than_the_terminal_is_folded_and_not_cut(monkeypatch, name):
    text = shown(monkeypatch, ("case", "dice"), [(name, "0.5")])
    first = [line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│")]
    assert "".join(first) == name
    assert "0.5" in text


def test_a_table_in_a_file_takes_the_width_that_it_needs(monkeypatch):
    lines = shown(monkeypatch, COLUMNS, ROWS, terminal=False).splitlines()[1:]
    assert len({len(line) for line in lines}) == 1
    assert all(cell in lines[3] for cell in ROWS[0])


def test_a_table_of_names_alone_is_printed(monkeypatch):
    assert "phantom_001" in shown(monkeypatch, ("case",), [("phantom_001",)])


def test_a_number_has_its_noun_in_singular_or_plural():
    assert [counted(n, "case") for n in (0, 1, 2)] == ["0 cases", "1 case", "2 cases"]
