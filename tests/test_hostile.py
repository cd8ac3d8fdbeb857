"""A hostile file takes no more memory than an honest one of the same claimed size."""

import subprocess
import sys

import pytest
import typer

from tests.benchmarks import hostile

SLACK_MB = 45
"""Memory that a reader may take besides: twice a file of 10 MB, and what differs between two runs."""


@pytest.mark.slow
@pytest.mark.parametrize("name", hostile.KINDS)
def test_a_hostile_file_takes_no_more_memory_than_an_honest_one(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(hostile, "BOMB", 120_000_000)
    monkeypatch.setattr(hostile, "PICTURE", 10_000)
    found = hostile.measure(name)
    assert found["hostile_mb"] <= found["honest_mb"] + SLACK_MB, found
    assert "Traceback" not in found["said"]


def test_a_lack_of_memory_ends_in_one_line_that_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from promise_cli.cli.conduct import explains_errors

    for error, said in (
        (MemoryError("Unable to allocate 206. MiB for an array"), "not enough memory (Unable to allocate 206. MiB"),
        (MemoryError(), "not enough memory; use a machine with more memory, or close other programs"),
        (ImportError("x.so: failed to map segment from shared object"), "not enough memory to load the libraries"),
    ):  # fmt: skip

        @explains_errors
        def fails(error: BaseException = error) -> None:
            raise error

        with pytest.raises(typer.Exit):
            fails()
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {said}")
        assert "use a machine with more memory" in line


def test_help_fits_into_two_gigabytes_of_addresses() -> None:
    for command in ("preprocess", "predict", "train", "evaluate"):
        code = (
            "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9,) * 2);"
            f"from promise_cli.cli import {command}_app; {command}_app(['--help'])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
