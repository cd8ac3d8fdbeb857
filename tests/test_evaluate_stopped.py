"""A stopped promise-evaluate leaves no process behind, whatever signal stops it."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.boxes import write_large_cases

CODE = (
    "import sys; from pathlib import Path; from promise_cli.evaluate.command import evaluate;"
    "evaluate(Path('masks'), Path('labels'), workers=2, metrics=['hd95'], page=False)"
)


@pytest.fixture
def many(in_folder):
    """Write far more cases than can be scored within the test."""
    write_large_cases(in_folder, 600)
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
