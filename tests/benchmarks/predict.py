"""Measure the seconds per case and stage of promise-predict and its peak memory, with a network of random weights.

    python -m tests.benchmarks.predict DATASET [--cases N] [--preset paper] [--device cpu] [--tta]

DATASET is a folder in MSD layout. Each case gets one click, on the middle one of its label's voxels in index order. It
gets one window, since a mask from random weights would be followed everywhere.

Prints JSON: for every case its shape and the seconds of reading, of resampling both ways, of the network, and of
writing and reading back; the share of the time that is not the network's; the peak memory of the process; and the
seconds of a first click and of a second click in the same window.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from promise_cli.console import mute
from promise_cli.dataset.plan import Normalisation, Plan
from promise_cli.dataset.splits import Split
from promise_cli.disk.records import load_record
from promise_cli.network.checkpoint import Checkpoint, save_checkpoint
from promise_cli.network.promise import ProMISe
from promise_cli.network.recipe import preset
from promise_cli.predict import run
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predictions.record import Predictions
from promise_cli.session.predictor import Predictor


def main() -> None:
    """Predict the cases, and print the figures as JSON."""
    options = _options()
    mute()  # standard output is only for the JSON
    labels = sorted((options.dataset / "labelsTr").glob("[!.]*.nii.gz"))[: options.cases]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        checkpoint = random_checkpoint(root, options.preset)
        (root / "imgs").mkdir()
        clicks = {}
        for label in labels:
            scan = options.dataset / "imagesTr" / label.name
            (root / "imgs" / label.name).symlink_to(scan.resolve())
            voxels = np.argwhere(np.asanyarray(nib.load(label).dataobj) > 0)
            clicks[label.name] = voxels[len(voxels) // 2].tolist()
        (root / "points.json").write_text(json.dumps(clicks))
        before, began, processor = _peak_mb(), time.monotonic(), time.process_time()
        run(
            PredictRequest(
                images=root / "imgs",
                prompts=root / "points.json",
                run_dir=checkpoint,
                device=options.device,
                max_windows=1,
                tta=options.tta,
                save_prob=False,
                root=root,
            )
        )
        wall, processor = time.monotonic() - began, time.process_time() - processor
        record = load_record(Predictions, root / "predictions" / "imgs" / "predictions.json")
        peak = _peak_mb()
        clicks_s = _two_clicks(
            checkpoint, Path(record.cases[0].scan), record.cases[0].clicks[0].voxel, options
        )
        rows = [_row(case.case_id, case.scan, vars(case.seconds)) for case in record.cases]
    everything = sum(sum(row["seconds"].values()) for row in rows)
    network = sum(row["seconds"]["network"] for row in rows)
    answer = {
        "device": record.device,
        "precision": record.precision,
        "threads": torch.get_num_threads(),
        "cases": rows,
        "seconds_per_case": round(wall / len(rows), 2),
        "processor_seconds_per_case": round(processor / len(rows), 2),
        "beside_the_network": round(1 - network / everything, 4),
        "first_and_second_click": clicks_s,
        "peak_mb": round(peak),
        "peak_mb_before_the_first_case": round(before),
    }
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--cases", type=int, default=3)
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tta", action="store_true")
    return parser.parse_args()


def random_checkpoint(root: Path, name: str) -> Path:
    """Write a checkpoint of random weights with the paper's plan for CT, and return its path."""
    torch.manual_seed(0)
    model_config, train_config = preset(name)
    plan = Plan(
        dataset="Task90_SoftTissueSarcoma",
        target_label=1,
        target_name="tumour",
        modality="CT",
        orientation="RAS",
        spacing=(1.0, 1.0, 1.0),
        patch_size=model_config.patch_size,
        normalisation=Normalisation(scheme="dataset", low=-70, high=180, mean=45, std=30),
    )
    path = root / "random.pt"
    save_checkpoint(
        Checkpoint(
            model_config=model_config,
            train_config=train_config,
            plan=plan,
            preset=name,
            fold=0,
            split=Split((), (), ()),
            seed=0,
            encoder_weights="none",
            epoch=0,
            validation_dice=None,
            best_dice=None,
            weights=ProMISe(model_config).state_dict(),
        ),
        path,
    )
    return path


def _two_clicks(
    checkpoint: Path, scan: Path, voxel: tuple[int, int, int], options: argparse.Namespace
) -> list[dict[str, float]]:
    """Return the wall and processor seconds of a click, and of a second one that is one voxel away."""
    session = Predictor.load(checkpoint, options.device).open(scan, max_windows=1)
    found = []
    for step in range(2):
        began, processor = time.monotonic(), time.process_time()
        session.click((voxel[0] + step, voxel[1], voxel[2]))
        spent = {"wall": time.monotonic() - began, "processor": time.process_time() - processor}
        found.append({name: round(seconds, 2) for name, seconds in spent.items()})
    return found


def _row(case: str, scan: str, seconds: dict[str, float]) -> dict[str, object]:
    image = nib.load(scan)
    spacing = [round(float(edge), 3) for edge in image.header.get_zooms()]
    return {"case": case, "shape": list(image.shape), "spacing": spacing, "seconds": seconds}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
