"""A short run of `tests/fuzz_prompts.py`: no damaged click file ends in a traceback."""

from pathlib import Path

from tests.fuzz_prompts import fuzz


def test_damaged_files_end_in_clicks_or_one_line(tmp_path: Path) -> None:
    counts = fuzz(1500, 1, tmp_path)
    assert sum(counts.values()) == 1500
    assert 100 < counts["read"] < 1400
    assert len(counts) > 20
