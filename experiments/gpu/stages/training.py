"""A real training for a given time, then the scores of the fold's test cases.

    python -m experiments.gpu.stages.training ROW SECONDS

Three epochs are tried first, to see what an epoch takes once everything is warm. Then as many are trained as fit, so
that the learning rate ends where the recipe wants. If the time does not suffice, the training stops and is saved.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from experiments.command import CALL
from experiments.gpu.rig import (
    CARRIED,
    DEVICE,
    IS_TOY,
    OUT,
    SIZES,
    TOY_TRAINING,
    report,
    run_command,
)
from promise_cli.demo.phantom import write_phantom
from promise_cli.disk.records import load_json

ROWS: dict[str, tuple[str, ...]] = {
    "recommended": ("--preset", "recommended", "--encoder", "dinov2_s"),
    "paper": ("--preset", "paper", "--encoder", "dinov2_s"),
    "vit_b": ("--preset", "recommended", "--encoder", "sam_vit_b", "--weights", "none"),
    "dynunet": ("--network", "dynunet"),
}
KEPT = ("config.json", "run.json", "log.csv", "metrics.json", "progress.png")
TRIED = 3
"""Number of epochs of the trial. Only the last one is validated."""
VALIDATIONS = 5
MEMORY = Path("/dev/shm")
"""Files in memory, where the machine has enough: a checkpoint is written after each epoch."""
ROOM = 8 * 2**30


def main() -> None:
    """Preprocess, try three epochs, and train as many as fit."""
    row, seconds = sys.argv[1], 1.0 if IS_TOY else float(sys.argv[2])
    began = time.monotonic()
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    with tempfile.TemporaryDirectory(dir=MEMORY if in_memory else None) as name:
        folder = Path(name)
        dataset = _dataset(folder)
        run_command("preprocess", dataset, folder=folder)
        report(training=row, dataset=dataset, preprocess_seconds=round(time.monotonic() - began, 1))
        arguments = ("--fold", "0", "--device", DEVICE.type, *_options(row), *_weights(row))
        if not in_memory and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free < 2**28:
            arguments = (*arguments, "--workers", "0")  # samples travel through shared memory
        start, epoch, validation, end = _try(folder, arguments)
        left = seconds - (time.monotonic() - began) - start - end - VALIDATIONS * validation
        epochs = max(2, int(0.9 * left / epoch))
        report(
            training=row,
            start_s=start,
            epoch_s=epoch,
            validation_s=validation,
            end_s=end,
            epochs=epochs,
        )
        again: tuple[str, ...] = ("--overwrite", "--epochs", str(epochs))
        again += ("--set", f"validate_every={max(1, epochs // VALIDATIONS)}")
        if not IS_TOY:
            hours = max(1.0, seconds - (time.monotonic() - began) - end - 10) / 3600
            again += ("--max-hours", f"{hours:.6f}")
        try:
            run_command("train", *arguments, *again, folder=folder)
        finally:
            _keep(row, folder)


def _try(folder: Path, arguments: tuple[str, ...]) -> tuple[float, float, float, float]:
    """Train three epochs.

    Returns:
        Seconds of the start, of an epoch, of its validation, and of the end with the scores.
    """
    trial = ("--epochs", str(TRIED), "--set", f"validate_every={TRIED}")
    began, times = time.monotonic(), []
    with subprocess.Popen(
        [sys.executable, "-c", CALL.format(name="train"), *arguments, *trial],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            if re.match(r"epoch \d+/\d+: ", line):
                times.append(time.monotonic())
    end = time.monotonic()
    if process.returncode or len(times) != TRIED:
        raise RuntimeError(f"the trial ended with status {process.returncode}")
    epoch = times[1] - times[0]
    validation = max(0.0, times[2] - times[1] - epoch)
    start = max(0.0, times[0] - began - epoch)
    return tuple(round(max(one, 0.01), 2) for one in (start, epoch, validation, end - times[2]))  # type: ignore[return-value]


def _keep(row: str, folder: Path) -> None:
    """Pack the small files of the run, and report the scores if there are any."""
    (fold,) = (folder / "results").glob("**/fold_0")
    with tarfile.open(OUT / f"training_{row}.tar.gz", "w:gz") as archive:
        for kept in KEPT:
            if (fold / kept).exists():
                archive.add(fold / kept, kept)
    call = load_json(fold / "run.json")["sessions"][-1]
    report(training=row, call=call)
    if (fold / "metrics.json").exists():
        metrics = load_json(fold / "metrics.json")
        report(training=row, scores=[case["dice"] for case in metrics["cases"]])


def _options(row: str) -> tuple[str, ...]:
    if not IS_TOY:
        return ROWS[row]
    return ("--network", "dynunet", *TOY_TRAINING) if row == "dynunet" else TOY_TRAINING


def _dataset(folder: Path) -> str:
    """Link the dataset that was carried along, or make a phantom."""
    carried = sorted((CARRIED / "data").glob("Task*"))
    if carried and not IS_TOY:
        (folder / carried[0].name).symlink_to(carried[0])
        return carried[0].name
    if (CARRIED / "phantom").is_dir():
        shutil.copytree(CARRIED / "phantom", folder, dirs_exist_ok=True)
    else:
        write_phantom(folder, 6 if IS_TOY else 10)
    return "Task99_Phantom"


def _weights(row: str) -> tuple[str, ...]:
    """Use the carried weights of DINOv2 for the rows that want them."""
    found = sorted((CARRIED / "weights").glob("*.safetensors"))
    if IS_TOY or SIZES.small_encoder not in ROWS[row]:
        return ()
    return ("--weights", str(found[0])) if found else ("--weights", "none")


if __name__ == "__main__":
    main()
