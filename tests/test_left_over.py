"""Unfinished files of killed processes are deleted by the next call that writes the same file, and no others."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from promise_cli.disk.atomic import PREFIX, temporary_of, whole_file, write_text

WRITE = (
    "import sys, time; from pathlib import Path; from promise_cli.disk.atomic import whole_file\n"
    "with whole_file(Path(sys.argv[1])) as temporary:\n"
    "    temporary.write_text('half'); print('ready', flush=True); time.sleep(60)"
)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """Return a path that a process has half written before it was killed."""
    path = tmp_path / "mask-1.nii.gz"
    with _writer(path) as process:
        process.kill()
    assert len(_hidden(tmp_path)) == 1
    return path


def _writer(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _hidden(folder: Path) -> list[Path]:
    return list(folder.glob(f"{PREFIX}*"))


def test_the_half_written_file_of_a_killed_process_is_deleted(killed: Path) -> None:
    write_text(killed.with_name("mask-1.nii"), "another file")
    assert len(_hidden(killed.parent)) == 1
    write_text(killed, "whole")
    assert _hidden(killed.parent) == []
    assert killed.read_text() == "whole"


def test_the_half_written_file_of_a_running_process_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with _writer(path) as process:
        write_text(path, "whole")
        assert len(_hidden(tmp_path)) == 1
        with whole_file(path) as outer:
            outer.write_text("outer")
            write_text(path, "inner")  # as another thread would
            assert outer.exists()
        process.kill()
    write_text(path, "last")
    assert _hidden(tmp_path) == []


@pytest.mark.parametrize("token", ["0123abcd", "zzz000000001"])
def test_those_of_other_machines_and_versions_are_kept_for_a_day(
    tmp_path: Path, token: str
) -> None:
    temporary = tmp_path / f"{PREFIX}{token}-record.json"
    temporary.write_text("half")
    write_text(tmp_path / "record.json", "whole")
    assert temporary.exists()
    yesterday = time.time() - 25 * 3600
    os.utime(temporary, (yesterday, yesterday))
    write_text(tmp_path / "record.json", "whole")
    assert not temporary.exists()


def test_a_number_that_a_process_has_again_is_not_that_of_the_killed_one(tmp_path: Path) -> None:
    from promise_cli.disk import atomic

    temporary = temporary_of(tmp_path / "record.json")
    temporary.write_text("half")
    atomic._own.discard(temporary.name)  # as if an earlier process had had the number of this one
    write_text(tmp_path / "record.json", "whole")
    assert _hidden(tmp_path) == []
