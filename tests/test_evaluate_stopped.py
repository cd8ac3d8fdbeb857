"""A stopped promise-evaluate leaves no process behind, whatever signal stops it."""

import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from tests.conftest import write_nifti

CODE = (
    "import sys; from pathlib import Path; from promise_cli.evaluate.command import evaluate;"
    "evaluate(Path('masks'), Path('labels'), workers=2, metrics=['hd95'], page=False)"
)


@pytest.fixture
def many(in_folder):
    """Write far more cases than can be scored within the test."""
    array = np.zeros((96, 96, 96), dtype=np.uint8)
    array[20:70, 20:70, 20:70] = 1
    for folder in ("masks", "labels"):
        first = write_nifti(in_folder / folder / "c_0.nii.gz", array, np.eye(4))
        for number in range(1, 600):
            shutil.copy(first, in_folder / folder / f"c_{number}.nii.gz")
    return in_folder


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.slow
def test_worker_processes_end_with_the_command_that_started_them(many, how):
    with subprocess.Popen([sys.executable, "-c", CODE], cwd=many) as command:
        parent = psutil.Process(command.pid)

        def at_work():
            found = [child for child in parent.children() if child.cpu_times().user > 0.8]
            return found if len(found) >= 2 else None

        wait_for(at_work)
        children = parent.children(recursive=True)
        command.send_signal(how)
        assert command.wait(30) == -how
    _, alive = psutil.wait_procs(children, timeout=30)
    for child in alive:
        child.kill()
    assert alive == []
    assert not (many / "masks" / "metrics.json").exists()
