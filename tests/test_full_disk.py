"""A full disk, and too many open files, lead to one line that names the file, the disk and what to do."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RUN
from tests.in_namespace import run_on_small_disk

TRAIN = (
    "promise-train --fold 0 --preset tiny --epochs 1 --patches-per-case 1 --device cpu --workers 0"
)


def on_small_disk(line: str, disk: Path, size: str, *around: str) -> str:
    """Run a command in the current folder, with a small disk at one folder, and return its last line."""
    program, *options = line.split()
    disk.mkdir(parents=True, exist_ok=True)
    path = Path(sys.executable).with_name(program)
    done = run_on_small_disk([path, *options], disk.absolute(), size, *around)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("line", "disk", "size", "begin", "end"),
    [
        (
            "promise-preprocess 98 --overwrite --workers 2",
            "preprocessed",
            "400k",  # enough by the estimate, which does not count what files take besides their bytes
            "preprocessed/Task98_Balls/cases/ball_00",
            " are free; make room, then run the command again",
        ),
        (
            "promise-preprocess 98 --overwrite --workers 2",
            "preprocessed",
            "120k",
            "preprocessed/Task98_Balls: 6 cases need about 388 kB, but only 123 kB of the disk",
            " are free; make room, or move the workspace with --root FOLDER",
        ),
        (
            "promise-predict -i imgs -p points.json --device cpu",
            "predictions",
            "4k",
            "predictions/imgs/predictions.json",
            " are free; make room, then run the command again",
        ),
        (
            "promise-evaluate masks Task98_Balls/labelsTr -o small",
            "small",
            "4k",
            "small/metrics.",
            " are free); name another folder with -o",
        ),
        (TRAIN, "results", "1m", f"{RUN}/checkpoint_last.pt", ", then run the same command again"),
    ],
)
@pytest.mark.slow
def test_a_full_disk_is_one_line_that_names_the_file_and_the_disk(
    balls: Path, line: str, disk: str, size: str, begin: str, end: str
) -> None:
    shutil.copytree("Task98_Balls/labelsTr", "masks")
    error = on_small_disk(line, balls / disk, size)
    assert error.startswith(f"error: {begin}")
    assert f" of the disk {balls / disk} are free" in error
    assert end in error
    assert "PytorchStream" not in error
    assert "enforce fail" not in error


@pytest.mark.slow
def test_a_full_disk_keeps_a_run_that_was_to_be_overwritten(balls: Path) -> None:
    earlier, after = balls / "earlier", balls / "after"
    shutil.copytree("results", earlier)
    size = sum(path.stat().st_size for path in earlier.rglob("*")) + 3_000_000
    results = balls / "results"
    put, get = f"cp -r {earlier}/. {results}", f"cp -r {results}/. {after}"
    error = on_small_disk(f"{TRAIN} --overwrite", results, str(size), put, get)
    assert error.startswith(
        f"error: {RUN}/checkpoint_last.pt: cannot be written (only a part fitted; "
    )
    assert error.endswith(
        "; check free space and permissions, then run the same command again (the earlier run is kept)"
    )
    for path in earlier.rglob("[!.]*.*"):
        found = (after / path.relative_to(earlier)).read_bytes()
        assert found[: path.stat().st_size] == path.read_bytes()
        assert len(found) == path.stat().st_size or path.name == "train.log"  # it grows


@pytest.mark.usefixtures("balls")
@pytest.mark.slow
def test_too_many_open_files_are_one_line_that_names_the_limit() -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    line = TRAIN.replace("--workers 0", "--workers 12 --overwrite")
    for command in ("promise-preprocess 98 --overwrite --workers 16", line):
        program, *options = command.split()
        done = subprocess.run(
            [Path(sys.executable).with_name(program), *options],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, limit[1])),
        )
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            "error: Too many open files: only 16 may be open; allow more with ulimit -n 1024, or use fewer --workers"
        )
        assert "Traceback" not in done.stderr
