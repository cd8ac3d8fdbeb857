"""Compare cases stored as plain arrays with compressed ones: disk, time to write them, and samples per second.

    python -m tests.benchmarks.case_formats DATASET [--patch 128] [--samples 60] [--rounds 2]

The dataset is preprocessed in both formats into a temporary folder, by one process with one thread. The cases are then
written again, `--rounds` times in each format, in turn. Training samples are drawn from both with the same random
numbers, in turn, and must be equal bit for bit; so must all arrays. Prints JSON: bytes of all cases, bytes for each
voxel and for each index of the target, processor seconds for each case, and samples per processor second.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from promise_cli.dataset.case import load_case
from promise_cli.dataset.plan import CasesFormat
from promise_cli.geometry.patch import Patch
from promise_cli.network.recipe import TrainConfig
from promise_cli.preprocess.command import preprocess
from promise_cli.train.samples import TrainingSamples

FORMATS: tuple[CasesFormat, ...] = ("npy", "blosc2")


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        roots = {name: Path(temporary) / name for name in FORMATS}
        whole = {name: _preprocess(options.dataset, roots[name], name) for name in FORMATS}
        again: dict[str, list[float]] = {name: [] for name in FORMATS}
        for number in range(options.rounds):
            for name in FORMATS if number % 2 else FORMATS[::-1]:
                again[name].append(_preprocess(options.dataset, roots[name], name, overwrite=True))
        folders = {name: next(root.glob("preprocessed/*/cases")) for name, root in roots.items()}
        ids = tuple(sorted(path.name for path in folders["npy"].iterdir()))
        for case_id in ids:
            _check_equal(folders, case_id)
        figures = {
            name: {
                **_sizes(folders[name], ids),
                "seconds_per_case": round(whole[name] / len(ids), 4),
                "seconds_per_case_written_again": round(min(again[name]) / len(ids), 4),
            }
            for name in FORMATS
        }
        for what, rates in _rates(folders, ids, options.patch, options.samples).items():
            for name in FORMATS:
                figures[name][what] = rates[name]
    plain, packed = (figures[name]["bytes"] for name in FORMATS)
    answer = {"dataset": Path(options.dataset).name, "cases": len(ids), "patch": options.patch}
    json.dump(answer | figures | {"ratio": round(packed / plain, 3)}, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _preprocess(dataset: str, root: Path, name: CasesFormat, *, overwrite: bool = False) -> float:
    """Preprocess in this process, and return the processor seconds that it took."""
    begin = time.process_time()
    preprocess(dataset, root=root, workers=0, cases_format=name, overwrite=overwrite)
    return time.process_time() - begin


def _sizes(folder: Path, ids: tuple[str, ...]) -> dict[str, Any]:
    """Return the bytes of all cases, for each voxel, and for each index in the list of the target's voxels."""
    cases = [load_case(folder, case_id) for case_id in ids]
    voxels = sum(case.target.size for case in cases)
    indices = sum(case.foreground.size for case in cases)
    files = [path for case_id in ids for path in (folder / case_id).iterdir()]
    listed = sum(path.stat().st_size for path in files if path.stem == "foreground")
    total = sum(path.stat().st_size for path in files)
    return {
        "bytes": total,
        "bytes_per_voxel": round((total - listed) / voxels, 3),
        "bytes_per_index": round(listed / indices, 3),
    }


def _check_equal(folders: dict[CasesFormat, Path], case_id: str) -> None:
    """Check that a case has the same voxels in both formats."""
    one, other = (load_case(folders[name], case_id) for name in FORMATS)
    for name in ("image", "target", "foreground"):
        first, second = (np.asarray(getattr(case, name)) for case in (one, other))
        assert first.dtype == second.dtype, (case_id, name)
        assert first.tobytes() == second.tobytes(), (case_id, name)


def _rates(
    folders: dict[CasesFormat, Path], ids: tuple[str, ...], patch: int, number: int
) -> dict[str, dict[CasesFormat, float]]:
    """Return samples, and patches without augmentation and clicks, per processor second in both formats."""
    readers = {
        name: TrainingSamples(folders[name], ids, patch, TrainConfig(), 0, 60.0) for name in FORMATS
    }
    seconds = {what: dict.fromkeys(FORMATS, 0.0) for what in ("samples_per_s", "patches_per_s")}
    rng = np.random.default_rng(0)
    indices = rng.choice(len(readers["npy"]), number + 1, replace=number >= len(readers["npy"]))
    for count, index in enumerate(indices.tolist()):
        found, cut = {}, {}
        centre = rng.random(3)
        for name in FORMATS if count % 2 else FORMATS[::-1]:
            begin = time.process_time()
            found[name] = readers[name][index]
            between = time.process_time()
            cut[name] = _cut(folders[name], ids[index % len(ids)], centre, patch)
            end = time.process_time()
            if count:  # the first sample also imports what samples need
                seconds["samples_per_s"][name] += between - begin
                seconds["patches_per_s"][name] += end - between
        for one, other in zip(*(found[name].tensors for name in FORMATS), strict=True):
            assert torch.equal(one, other), index
        assert cut["npy"] == cut["blosc2"], index
    return {
        what: {name: round(number / of[name], 1) for name in FORMATS}
        for what, of in seconds.items()
    }


def _cut(folder: Path, case_id: str, centre: Any, patch: int) -> bytes:
    case = load_case(folder, case_id)
    middle = (centre * np.array(case.target.shape)).astype(int).tolist()
    place = Patch.centred(middle, (patch, patch, patch))
    image, target = place.crop(case.channels), place.crop(case.target)
    return bytes(image[0, patch // 2, patch // 2].tobytes() + target[patch // 2].tobytes())


if __name__ == "__main__":
    main()
