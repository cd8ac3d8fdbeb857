"""A short run of `tests/fuzz_prompts.py`: no damaged click file ends in a traceback, and none moves a click."""

import re
from pathlib import Path

from promise_cli.errors import PromptError
from promise_cli.prompts import Click, gather_prompts
from tests.fuzz_prompts import corpus, fuzz


def test_damaged_files_end_in_clicks_or_one_line(tmp_path: Path) -> None:
    counts = fuzz(1500, 1, tmp_path)
    assert sum(counts.values()) == 1500
    assert 100 < counts["read"] < 1400
    assert len(counts) > 20


def _read(path: Path, content: bytes) -> dict[str, tuple[Click, ...]] | None:
    """Return the clicks of a file by case; None if it is refused."""
    path.write_bytes(content)
    try:
        gathered = gather_prompts(path, space=None, scans=("scan",))
    except PromptError:
        return None
    return None if gathered.broken else gathered.clicks


def test_a_decimal_comma_never_moves_a_click(tmp_path: Path) -> None:
    """Each decimal point alone, those of each line, and all of them are written as commas."""
    tried = 0
    for name, written in corpus(tmp_path).items():
        path, content = tmp_path / f"comma_{name}", written
        for number, letter in enumerate(b"ijk"):  # napari's axes would need --space
            content = content.replace(b"axis-%d" % number, bytes([letter]))
        before = _read(path, content)
        points = [found.start() for found in re.finditer(rb"(?<=\d)\.(?=\d)", content)]
        lines = {content.count(b"\n", 0, at) for at in points}
        groups = [[at] for at in points] + [points]
        groups += [[at for at in points if content.count(b"\n", 0, at) == line] for line in lines]
        for group in groups:
            raw = bytearray(content)
            for at in group:
                raw[at] = ord(",")
            after = _read(path, bytes(raw))
            assert after is None or after == before, (name, bytes(raw))
            tried += 1
    assert tried > 100
