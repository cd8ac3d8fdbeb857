"""The four commands on a phantom, as a user types them, with a training that is stopped and resumed."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from experiments.command import CALL
from experiments.gpu.rig import CARRIED, DEVICE, IS_TOY, TOY_TRAINING, report, reported, run_command
from promise_cli.demo.phantom import write_phantom

CASES = 6 if IS_TOY else 8
TINY = TOY_TRAINING if IS_TOY else ("--preset", "tiny")
TRAIN = ("--fold", "0", *TINY, "--device", DEVICE.type, "--epochs", "2")


def main() -> None:
    """Report how each command ended and how long it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        if (CARRIED / "phantom").is_dir():
            shutil.copytree(CARRIED / "phantom", folder, dirs_exist_ok=True)
        else:
            write_phantom(folder, CASES)
        report(command="phantom", seconds=round(time.monotonic() - began, 1))
        _command(folder, "preprocess", "Task99")
        with reported(command="train, stopped by SIGTERM"):
            _stop_training(folder)
        _command(folder, "train", "--fold", "0", "--resume", "--device", DEVICE.type)
        click = ("-i", "imgs", "-p", "points.json", "--device", DEVICE.type)
        _command(folder, "predict", *click)
        _command(folder, "evaluate")


def _command(folder: Path, name: str, *arguments: str) -> None:
    with reported(command=name):
        taken = run_command(name, *arguments, folder=folder)
        report(command=name, seconds=taken.seconds, processor_seconds=taken.processor_seconds)


def _stop_training(folder: Path) -> None:
    """Send SIGTERM to a training after its first epoch."""
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", CALL.format(name="train"), *TRAIN],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("epoch 1/"):
                process.send_signal(signal.SIGTERM)
        status = process.wait()
    report(
        command="train, stopped by SIGTERM",
        status=status,
        seconds=round(time.monotonic() - began, 1),
        last_lines=lines[-2:],
    )


if __name__ == "__main__":
    main()
