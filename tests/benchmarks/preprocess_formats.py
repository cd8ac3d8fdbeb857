"""Compare formats for reading random 128^3 patches of preprocessed cases: memory-mapped .npy files, blosc2 and zarr.

    .venv/bin/python tests/benchmarks/preprocess_formats.py [DATASET] [ENVIRONMENT]

ENVIRONMENT is a virtual environment with the packages below. Without it, one is made in a temporary folder.

The dataset is preprocessed first. Its images (float16) and targets (uint8) are then stored in every format, in chunks
of 64^3 where the format has chunks. A read opens a random case and copies one patch of image and target, as training
does, with one thread. Prints JSON for each format: the MB on disk; the patches per second while the files are in the
system's cache; the patches per second when they are removed from the cache before each read; and the MB that the
disk then delivers per patch.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGES = ("numpy==2.4.6", "blosc2==4.14.1", "zarr==3.1.6")
PATCH, CHUNK = 128, 64
READS = 60
Format = tuple[Callable[[Path, NDArray[Any]], None], Callable[[Path], Any]]
"""A format: the function that writes an array to a path, and the function that opens it."""


def formats() -> dict[str, Format]:
    """Return the formats that are compared, by name."""
    import blosc2
    import zarr

    def write_blosc2(path: Path, array: NDArray[Any], codec: Any) -> None:
        settings = {"codec": codec, "clevel": 5, "nthreads": 1}
        small = [CHUNK // 2] * 3
        blosc2.asarray(array, urlpath=str(path), chunks=[CHUNK] * 3, blocks=small, cparams=settings)

    def open_blosc2(path: Path) -> Any:
        return blosc2.open(str(path), mode="r", mmap_mode="r", dparams={"nthreads": 1})

    def write_zarr(path: Path, array: NDArray[Any]) -> None:
        zarr.create_array(str(path), data=array, chunks=(CHUNK,) * 3)

    zarr.config.set({"threading.max_workers": 1, "async.concurrency": 1})
    return {
        "npy": (np.save, lambda path: np.load(path, mmap_mode="r")),
        "blosc2 lz4": (
            lambda path, array: write_blosc2(path, array, blosc2.Codec.LZ4),
            open_blosc2,
        ),
        "blosc2 zstd": (
            lambda path, array: write_blosc2(path, array, blosc2.Codec.ZSTD),
            open_blosc2,
        ),
        "zarr": (write_zarr, lambda path: zarr.open_array(str(path), mode="r")),
    }


def forget(folder: Path) -> None:
    """Remove a folder's files from the system's cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def read_bytes() -> int:
    """Return how many bytes this process has received from the disk so far."""
    counts = Path("/proc/self/io").read_text(encoding="utf-8")
    return int(counts.split("read_bytes: ")[1].split()[0])


def crop(array: Any, start: tuple[int, ...]) -> NDArray[Any]:
    """Return a copy of the patch that begins at `start`. It is smaller where the case ends before the patch does."""
    return np.array(array[tuple(slice(first, first + PATCH) for first in start)])


def measure(name: str, form: Format, cases: list[Path], folder: Path) -> dict[str, float]:
    """Store the cases in one format, read patches from them, and return the figures of the format."""
    write, open_array = form
    suffix = {"npy": "npy", "zarr": "zarr"}.get(name, "b2nd")
    places = {case: folder / case.name for case in cases}
    for case, place in places.items():
        place.mkdir(parents=True)
        for part in ("image", "target"):
            write(place / f"{part}.{suffix}", np.load(case / f"{part}.npy"))
    rng = random.Random(0)

    def read_patch() -> float:
        place = places[rng.choice(cases)]
        begin = time.perf_counter()
        arrays = [open_array(place / f"{part}.{suffix}") for part in ("image", "target")]
        start = tuple(rng.randint(0, max(0, n - PATCH)) for n in arrays[0].shape)
        for array in arrays:
            crop(array, start)
        return time.perf_counter() - begin

    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    for case in cases:  # puts the files into the system's cache
        for path in places[case].rglob("*"):
            if path.is_file():
                path.read_bytes()
    warm = [read_patch() for _ in range(READS)]
    cold, before = [], read_bytes()
    for _ in range(READS):
        forget(folder)
        cold.append(read_patch())
    return {
        "mb_on_disk": round(size / 1e6, 1),
        "patches_per_s_cached": round(READS / sum(warm), 1),
        "patches_per_s_from_disk": round(READS / sum(cold), 1),
        "mb_from_disk_a_patch": round((read_bytes() - before) / READS / 1e6, 1),
    }


def serve(folder: Path) -> None:
    """Measure all formats, and print the figures. This runs in the environment that has the libraries."""
    cases = sorted(folder.glob("preprocessed/*/cases/*"))
    rows = {}
    for name, form in formats().items():
        place = folder / "formats"
        rows[name] = measure(name, form, cases, place)
        shutil.rmtree(place)
    shape = np.mean([np.load(case / "image.npy", mmap_mode="r").shape for case in cases], axis=0)
    answer = {"cases": len(cases), "mean_shape": shape.round().tolist(), "formats": rows}
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")


def main() -> None:
    """Preprocess the dataset, and measure the formats in a process that has their libraries."""
    dataset = sys.argv[1] if len(sys.argv) > 1 else "../shared/data/Task90_SoftTissueSarcoma"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        environment = Path(sys.argv[2]) if len(sys.argv) > 2 else folder / "environment"
        if not environment.exists():
            venv.create(environment, with_pip=True)
            pip = [str(environment / "bin" / "pip"), "install", "-q", *PACKAGES]
            subprocess.run(pip, check=True, stdout=sys.stderr)
        command = str(Path(sys.executable).with_name("promise-preprocess"))
        line = [command, dataset, "--root", str(folder)]
        subprocess.run(line, check=True, stdout=sys.stderr)
        python = str(environment / "bin" / "python")
        subprocess.run([python, __file__, "serve", str(folder)], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(Path(sys.argv[2]))
    else:
        main()
