"""Collect files for a machine without a network, in the repository's folder `.gpu/`, which git ignores.

    python -m experiments.gpu.pack --wheels FOLDER --weights FILE --data TASK --limit-mib 50

The cases of the task are taken in the order of fold 0, test cases first, until the limit is reached.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from experiments.gpu.rig import CARRIED
from promise_cli.dataset.splits import make_splits
from promise_cli.demo.phantom import write_phantom


def main() -> None:
    """Copy the files, and print their total size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--data", type=Path, help="a dataset in MSD layout")
    parser.add_argument("--limit-mib", type=float, default=50.0)
    parser.add_argument(
        "--phantom", type=int, help="number of phantom cases to make; each takes seconds"
    )
    options = parser.parse_args()
    if options.wheels:
        _copy(sorted(options.wheels.glob("*.whl")), CARRIED / "wheels")
    if options.weights:
        _copy([options.weights], CARRIED / "weights")
    if options.phantom:
        (CARRIED / "phantom").mkdir(parents=True, exist_ok=True)
        write_phantom(CARRIED / "phantom", options.phantom)
    if options.data:
        _copy_dataset(options.data, options.limit_mib)
    total = sum(path.stat().st_size for path in CARRIED.rglob("*") if path.is_file())
    sys.stdout.write(f"{CARRIED}: {total / 2**20:.1f} MiB\n")


def _copy(files: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy2(file, folder / file.name)


def _copy_dataset(source: Path, limit_mib: float) -> None:
    description = json.loads((source / "dataset.json").read_text())
    names = [Path(entry["image"]).name for entry in description["training"]]
    fold = make_splits(name.removesuffix(".nii.gz") for name in names)[0]
    left, taken = limit_mib * 2**20, []
    folder = CARRIED / "data" / source.name
    for case_id in (*fold.test, *fold.val, *fold.train):
        files = [source / part / f"{case_id}.nii.gz" for part in ("imagesTr", "labelsTr")]
        size = sum(file.stat().st_size for file in files)
        if size > left:
            break
        left -= size
        for file in files:
            _copy([file], folder / file.parent.name)
        taken.append(case_id)
    description["training"] = [
        {"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"}
        for case in sorted(taken)
    ]
    description["numTraining"], description["test"], description["numTest"] = len(taken), [], 0
    (folder / "dataset.json").write_text(json.dumps(description, indent=1))


if __name__ == "__main__":
    main()
