"""A real training for a given time, then the scores of the fold's test cases.

    python -m experiments.gpu.stages.training ROW SECONDS

One epoch is tried first. Then as many epochs are trained as fit, so that the learning rate ends where the recipe wants.
"""

import json
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from experiments.command import run
from experiments.gpu.rig import CARRIED, DEVICE, IS_TOY, OUT, SIZES, report
from promise_cli.demo.phantom import write_phantom
from promise_cli.disk.records import load_json

ROWS: dict[str, tuple[str, ...]] = {
    "recommended": ("--preset", "recommended", "--encoder", "dinov2_s"),
    "paper": ("--preset", "paper", "--encoder", "dinov2_s"),
    "vit_b": ("--preset", "recommended", "--encoder", "sam_vit_b", "--weights", "none"),
    "dynunet": ("--network", "dynunet"),
}
KEPT = ("config.json", "run.json", "log.csv", "metrics.json", "progress.png")
TRIAL_EPOCHS = 1


def main() -> None:
    """Preprocess, train one epoch to see how long it takes, and train as many as fit."""
    row, seconds = sys.argv[1], 1.0 if IS_TOY else float(sys.argv[2])
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = _dataset(folder)
        run("preprocess", dataset, folder=folder)
        report(training=row, dataset=dataset, preprocess_seconds=round(time.monotonic() - began, 1))
        arguments = ("--fold", "0", "--device", DEVICE.type, *_options(row), *_weights(row))
        run("train", *arguments, "--epochs", str(TRIAL_EPOCHS), folder=folder)
        (fold,) = (folder / "results").glob("**/fold_0")
        trial = load_json(fold / "run.json")["sessions"][-1]
        epoch = _epoch_seconds(fold)
        left = (
            seconds - (time.monotonic() - began) - 20
        )  # for the start, the last validation and the scores
        epochs = max(2, int(left / max(epoch, 0.1)))
        report(training=row, epoch_seconds=round(epoch, 2), epochs=epochs, trial=trial)
        again = (
            "--overwrite",
            "--epochs",
            str(epochs),
            "--set",
            f"validate_every={max(1, epochs // 5)}",
        )
        run("train", *arguments, *again, folder=folder)
        metrics = load_json(fold / "metrics.json")
        report(training=row, scores=[case["dice"] for case in metrics["cases"]])
        with tarfile.open(OUT / f"training_{row}.tar.gz", "w:gz") as archive:
            for kept in KEPT:
                if (fold / kept).exists():
                    archive.add(fold / kept, kept)


def _options(row: str) -> tuple[str, ...]:
    if not IS_TOY:
        return ROWS[row]
    return (
        ("--network", "dynunet", "--preset", "tiny") if row == "dynunet" else ("--preset", "tiny")
    )


def _dataset(folder: Path) -> str:
    """Link the dataset that was carried along, or make a phantom."""
    carried = sorted((CARRIED / "data").glob("Task*"))
    if carried and not IS_TOY:
        (folder / carried[0].name).symlink_to(carried[0])
        return carried[0].name
    write_phantom(folder, 6 if IS_TOY else 10)
    return "Task99_Phantom"


def _weights(row: str) -> tuple[str, ...]:
    """Use the carried weights of DINOv2 for the rows that want them."""
    found = sorted((CARRIED / "weights").glob("*.safetensors"))
    if IS_TOY or SIZES.small_encoder not in ROWS[row]:
        return ()
    return ("--weights", str(found[0])) if found else ("--weights", "none")


def _epoch_seconds(fold: Path) -> float:
    """Return the seconds of the last epoch's steps, from the seconds of a step."""
    last = json.loads((fold / "run.json").read_text())["sessions"][-1]
    return float(last["seconds_per_step"]) * int(last["steps"]) / TRIAL_EPOCHS


if __name__ == "__main__":
    main()
