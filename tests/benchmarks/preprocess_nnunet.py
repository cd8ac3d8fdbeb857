"""Compare time and memory of our preprocessing with those of nnU-Net v2, on the same cases in one run.

    .venv/bin/python tests/benchmarks/preprocess_nnunet.py [DATASET] [ENVIRONMENT]

DATASET is an MSD folder of NIfTI scans with one channel. ENVIRONMENT is a virtual environment for nnU-Net. Without it,
one is made in a temporary folder, with the versions below from the package index.

Each tool runs in one process with one thread, and the tools take each case by turns. nnU-Net works through its Python
API. Its dataset is planned with the default planner and a target spacing of 1 mm, so that both tools resample the scans
to the same spacing. The measured functions are:

* nnU-Net: `DatasetFingerprintExtractor.analyze_case` for a case's fingerprint, and `DefaultPreprocessor.run_case_save`
  for 3d_fullres, once with its cubic splines and once with linear interpolation, which ours uses too.
* Ours: `Measurements.measure`, which also hashes and verifies the files, and `preprocess_case`.

Prints JSON: processor seconds per case, the peak memory of the process (VmHWM) over all cases, and by how much the peak
exceeds the memory of the idle process.
"""

import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PACKAGES = ("torch==2.13.0", "nnunetv2==2.8.1")
STEPS = ("fingerprint", "preprocess")
Case = tuple[str, str, str]
"""A case: its id, and the paths of its image and of its label."""


def peak_mb() -> float:
    """Return the peak memory of this process in MB since the last `forget_peak`."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def forget_peak() -> None:
    """Reset the peak memory of this process to its current memory."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def serve(steps: dict[str, Callable[[Case], object]]) -> None:
    """Read cases from standard input and answer each with its figures on standard output.

    What other code writes to standard output goes to standard error instead.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    forget_peak()
    idle = peak_mb()
    for line in sys.stdin:
        case = tuple(json.loads(line))
        row: dict[str, float] = {"idle_mb": idle}
        for name, step in steps.items():
            forget_peak()
            begin, wall = time.process_time(), time.perf_counter()
            step(case)  # type: ignore[arg-type]
            row[f"{name}_s"] = time.process_time() - begin
            row[f"{name}_wall_s"] = time.perf_counter() - wall
            row[f"{name}_mb"] = peak_mb()
        answers.write(json.dumps(row) + "\n")
        answers.flush()


def serve_ours(folder: Path, dataset: Path) -> None:
    """Serve cases as promise-preprocess does; its plan exists already."""
    from promise_cli.dataset.case import preprocess_case
    from promise_cli.dataset.fingerprint import Measurements
    from promise_cli.dataset.folder import CaseFiles, read_dataset
    from promise_cli.dataset.plan import Plan
    from promise_cli.disk.records import load_record

    read = read_dataset(dataset)
    (plan_path,) = folder.glob("preprocessed/*/plans.json")
    plan = load_record(Plan, plan_path)
    store = Measurements(folder / "again", read, plan.target_label)

    def files(case: Case) -> CaseFiles:
        return CaseFiles(case[0], Path(case[1]), Path(case[2]))

    def fingerprint(case: Case) -> None:
        assert store.measure(files(case), wait=True).measurement.case is not None

    def preprocess(case: Case) -> None:
        preprocess_case(files(case), plan, folder / "cases", store.find(files(case)).source)

    serve({"fingerprint": fingerprint, "preprocess": preprocess})


def serve_nnunet(folder: Path, order: int) -> None:
    """Plan nnU-Net's dataset, and then serve cases as nnU-Net does, with splines of this order for images."""
    import torch

    torch.set_num_threads(1)
    with contextlib.redirect_stdout(sys.stderr):
        from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import (
            DatasetFingerprintExtractor,
        )
        from nnunetv2.experiment_planning.plan_and_preprocess_api import (
            extract_fingerprint_dataset,
            plan_experiment_dataset,
        )
        from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        extract_fingerprint_dataset(90, num_processes=2, verbose=False, show_progress_bar=False)
        plans, _ = plan_experiment_dataset(90, overwrite_target_spacing=(1.0, 1.0, 1.0))
    plans["configurations"]["3d_fullres"]["resampling_fn_data_kwargs"]["order"] = order
    manager = PlansManager(plans)
    configuration = manager.get_configuration("3d_fullres")
    raw = Path(os.environ["nnUNet_raw"], "Dataset090_Bench")  # noqa: SIM112  nnU-Net names it so
    description = json.loads((raw / "dataset.json").read_text(encoding="utf-8"))
    reader = manager.image_reader_writer_class
    preprocessor, number = DefaultPreprocessor(verbose=False), itertools.count()

    def fingerprint(case: Case) -> None:
        DatasetFingerprintExtractor.analyze_case([case[1]], case[2], reader)

    def preprocess(case: Case) -> None:
        output = str(folder / f"{case[0]}_{next(number)}")  # nnU-Net refuses to overwrite a file
        preprocessor.run_case_save(output, [case[1]], case[2], manager, configuration, description)

    serve({"fingerprint": fingerprint, "preprocess": preprocess})


def convert(dataset: Path, raw: Path, cases: list[Case]) -> None:
    """Write the dataset in nnU-Net's layout into `raw`, with links to the scans and labels."""
    folder = raw / "Dataset090_Bench"
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for case, image, label in cases:
        (folder / "imagesTr" / f"{case}_0000.nii.gz").symlink_to(Path(image).resolve())
        (folder / "labelsTr" / f"{case}.nii.gz").symlink_to(Path(label).resolve())
    found = json.loads((dataset / "dataset.json").read_text(encoding="utf-8"))
    description = {
        "channel_names": {"0": next(iter(found["modality"].values()))},
        "labels": {name: int(value) for value, name in found["labels"].items()},
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(description), encoding="utf-8")


@contextlib.contextmanager
def worker(python: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process that serves cases with one thread, and end it afterwards."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLOSC_NTHREADS")
    single = dict.fromkeys((*names, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1")
    process = subprocess.Popen(
        [str(python), __file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **single, **environment},
    )
    try:
        yield process
    finally:
        process.stdin.close()  # type: ignore[union-attr]
        process.wait()


def ask(process: subprocess.Popen[str], case: Case) -> dict[str, float]:
    """Let the process work on one case, and return its figures."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(case) + "\n")
    process.stdin.flush()
    row: dict[str, float] = json.loads(process.stdout.readline())
    return row


def summarise(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Return the mean seconds and the peak memory of one tool over its cases."""
    seconds = {name: statistics.mean(row[f"{name}_s"] for row in rows) for name in STEPS}
    peak = max(max(row[f"{name}_mb"] for name in STEPS) for row in rows)
    summary = {f"{name}_s": round(value, 3) for name, value in seconds.items()}
    return {
        **summary,
        "both_s": round(sum(seconds.values()), 3),
        "peak_mb": round(peak),
        "peak_above_idle_mb": round(peak - rows[0]["idle_mb"]),
    }


def compare(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> dict[str, float]:
    """Return the ratios of their time and memory to ours, and the smallest ratio of the time of a single case."""
    a, b = summarise(ours), summarise(theirs)
    names = ("preprocess_s", "both_s", "peak_mb", "peak_above_idle_mb")
    ratios = {name: round(b[name] / a[name], 1) for name in names}
    both = [[sum(row[f"{name}_s"] for name in STEPS) for row in rows] for rows in (ours, theirs)]
    ratios["both_s_least"] = round(min(y / x for x, y in zip(*both, strict=True)), 1)
    return ratios


def install(folder: Path) -> Path:
    """Make a virtual environment in `folder`, install nnU-Net in it, and return the folder."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "pip"), "install", "-q", *PACKAGES]
    subprocess.run(pip, check=True, stdout=sys.stderr)
    return folder


def main() -> None:
    """Measure both tools, and print the figures as JSON."""
    dataset = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/Task90_SoftTissueSarcoma")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        environment = Path(sys.argv[2]) if len(sys.argv) > 2 else install(folder / "environment")
        from promise_cli.dataset.folder import read_dataset
        from promise_cli.preprocess.command import preprocess

        with contextlib.redirect_stdout(sys.stderr):
            preprocess(str(dataset), root=folder)
        cases = [(f.case_id, str(f.image), str(f.label)) for f in read_dataset(dataset).cases]
        convert(dataset, folder / "raw", cases)
        places = {
            f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed", "results")
        }
        python, here = environment / "bin" / "python", str(folder)
        orders = {"nnunet_cubic": "3", "nnunet_linear": "1"}
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in ("ours", *orders)}
        with contextlib.ExitStack() as stack:
            own = worker(Path(sys.executable), "serve-ours", here, str(dataset))
            processes = {"ours": stack.enter_context(own)}
            for name, order in orders.items():
                (folder / name).mkdir()
                line = ("serve-nnunet", str(folder / name), order)
                processes[name] = stack.enter_context(worker(python, *line, **places))
                rows[name].append(
                    ask(processes[name], cases[0])
                )  # waits until this process has planned, before the next one plans
            for case in cases:
                for name, process in processes.items():
                    rows[name].append(ask(process, case))
    rows = {name: found[-len(cases) :] for name, found in rows.items()}
    answer: dict[str, Any] = {name: summarise(found) for name, found in rows.items()}
    answer["cases"] = len(cases)
    for name in orders:
        answer[f"{name}_to_ours"] = compare(rows["ours"], rows[name])
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve-ours"]:
        serve_ours(Path(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:2] == ["serve-nnunet"]:
        serve_nnunet(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
