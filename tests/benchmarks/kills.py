"""Kill the commands with SIGKILL at random moments, call them again, and compare the files with an undisturbed call.

    .venv/bin/python -m tests.benchmarks.kills [--kills 25] [--seed N] [--only train ...]

Each command runs on a small phantom: preprocessing and training with two worker processes, prediction with a page and
probabilities, the evaluation, and a study of clicks. One undisturbed call is measured. Then the command and all its
processes are killed at a moment that is uniform over that time, and the command is called again as a user would: the
same line, and a training with `--resume` if it has a checkpoint. All files must then be those of the undisturbed call,
hidden ones too. Times, versions, process ids and paths may differ, and `train.log` keeps the lines of every call.
Prints JSON: the kills by the stage that the command
had reached, and each difference.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

CASES = 8
DATASET = "Task99_Phantom"
RUN = Path("results", DATASET, "fold_0")
MASKS = Path("predictions", "imagesTr")
SETTINGS = "--preset tiny --epochs 2 --patches-per-case 1 --set validate_every=1"
COMMANDS = {
    "preprocess": "promise-preprocess Task99 --workers 2",
    "train": f"promise-train --fold 0 {SETTINGS} --device cpu --workers 2",
    "predict": f"promise-predict -i {DATASET}/imagesTr -p points.json --report --save-prob --device cpu",
    "evaluate": "promise-evaluate --workers 2",
    "study": "promise-evaluate --clicks 1 2 --fold 0 --device cpu",
}
"""Command lines by name. Each one works on what those before it have written."""

CHANGING = {"created", "started", "ended", "seconds", "mask_bytes", "key"}
"""Names in JSON files whose values are times or depend on them. The mask's bytes hold no time, but are compressed."""
TIMES = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([+-]\d\d:\d\d| UTC)?")


def start(name: str, folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start a command in a process group of its own, so that a signal reaches its processes too."""
    line = COMMANDS[name].split()
    if "--resume" in more:
        line = line[:3] + line[line.index("--device") :]
    program = str(Path(sys.executable).with_name(line[0]))
    return subprocess.Popen(
        [program, *line[1:], *more],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a command, and return its exit status and output. One that takes two minutes is ended."""
    try:
        output = process.communicate(timeout=120)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return -1, process.communicate()[0] + "still running after two minutes"
    return process.returncode, output


def call_again(name: str, folder: Path) -> tuple[int, str]:
    """Call a killed command again. A training is resumed if it has a checkpoint, and not again if it is complete."""
    resume = name == "train" and (folder / RUN / "checkpoint_last.pt").exists()
    status, output = finish(start(name, folder, *(["--resume"] if resume else [])))
    complete = "epochs are done; ask for more" in output or "a study of" in output
    return (0 if complete else status), output


def prepare(folder: Path) -> None:
    """Write a phantom, and one click on the target of each case."""
    from promise_cli.demo.phantom import draw_case, write_phantom

    write_phantom(folder, CASES)
    scans = sorted((folder / DATASET / "imagesTr").glob("*.nii.gz"))
    clicks = {
        path.name.removesuffix(".nii.gz"): draw_case(number, 0).click
        for number, path in enumerate(scans)
    }
    (folder / "points.json").write_text(json.dumps(clicks, default=int))


def stage(name: str, folder: Path) -> str:
    """Return in words how far a killed command had come."""
    run, masks = folder / RUN, folder / MASKS
    if name == "preprocess":
        written = folder / "preprocessed" / DATASET
        if not (written / "plans.json").exists():
            started = (folder / ".preprocessing").exists()
            return "verifying" if started else "before the first case was read"
        return "writing cases"
    if name == "train":
        if not (run / "checkpoint_last.pt").exists():
            return "before the first checkpoint"
        if not (run / "run.json").exists() or '"running"' in (run / "run.json").read_text():
            return "between the first checkpoint and the end of the last epoch"
        return "scoring test cases" if not (run / "metrics.json").exists() else "ending"
    if name == "predict":
        if not (masks / "predictions.json").exists():
            return "before the first mask"
        done = len(json.loads((masks / "predictions.json").read_text())["cases"])
        return "between masks" if done < CASES else "writing the page"
    if name == "evaluate":
        there = (masks / "metrics.csv").exists()
        return "writing results" if there else "before the first result"
    there = (run / "clicks" / "clicks.csv").exists()
    return "writing results" if there else "before the first result"


def content(path: Path) -> Any:
    """Return what a file holds, without times, versions, process ids and paths."""
    if path.suffix == ".pt":
        return _tensors(path)
    if path.name == "run.json":
        last = json.loads(path.read_text())["sessions"][-1]
        return last["outcome"], last["last_epoch"], last["ended"] is not None
    if path.suffix == ".json":
        return _plain(json.loads(path.read_text()))
    if (
        path.name == "train.log"
    ):  # it keeps what every call printed, so only its beginning is the same
        return path.read_bytes().split()[2]
    if path.name == "log.csv":
        return [line.rpartition(",")[0] for line in path.read_text().splitlines()]
    if path.name.endswith(".nii.gz"):
        import gzip

        return gzip.decompress(path.read_bytes())
    return TIMES.sub(b"", path.read_bytes())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(of) for name, of in value.items() if name not in CHANGING}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _tensors(path: Path) -> Any:
    import torch

    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.numpy().tobytes()
        if isinstance(value, dict):
            return {name: plain(of) for name, of in value.items() if name != "seconds"}
        return [plain(one) for one in value] if isinstance(value, list | tuple) else value

    return plain(torch.load(path, weights_only=True))


def differences(found: Path, expected: Path) -> Iterator[str]:
    """Yield a line for each file that is missing, additional or different. The folders' names do not matter."""
    names = [
        {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        for folder in (found, expected)
    ]
    yield from (f"missing {name}" for name in sorted(names[1] - names[0]))
    yield from (f"left over {name}" for name in sorted(names[0] - names[1]))
    for name in sorted(names[0] & names[1]):
        one, other = found / name, expected / name
        if ".preprocessing" in name or one.read_bytes() == other.read_bytes():
            continue
        if content(one) != content(other):
            yield f"different {name}"


def kill_often(
    name: str, before: Path, after: Path, seconds: float, rng: random.Random, kills: int
) -> dict[str, Any]:
    """Kill one command many times, each time in a fresh copy of its inputs.

    Args:
        name: Name of the command.
        before: Folder with the inputs of the command.
        after: The same folder after an undisturbed call.
        seconds: Time of an undisturbed call.
        rng: Source of the moments.
        kills: Number of kills.
    """
    stages, equal, found = Counter[str](), Counter[str](), []
    for _ in range(kills):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "work")
            shutil.copytree(before, folder)
            process = start(name, folder)
            moment = rng.uniform(0, seconds)
            time.sleep(moment)
            alive = process.poll() is None
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            reached = stage(name, folder) if alive else "after its end"
            status, output = call_again(name, folder)
            wrong = [f"status {status}: {output[-300:]}"] if status else []
            wrong += differences(folder, after)
            stages[reached] += 1
            equal[reached] += not wrong
            if wrong:
                found.append({"stage": reached, "second": round(moment, 2), "found": wrong[:6]})
    table = {reached: [number, equal[reached]] for reached, number in stages.items()}
    return {
        "seconds": round(seconds, 1),
        "kills": kills,
        "equal": sum(equal.values()),
        "kills and equal by stage": table,
        "differences": found,
    }


def main(arguments: list[str] | None = None) -> int:
    """Kill all commands, print the figures as JSON, and return 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=25, help="kills of each command")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    parser.add_argument("--only", nargs="*", choices=[*COMMANDS], default=[*COMMANDS])
    asked = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    result: dict[str, Any] = {"seed": asked.seed}
    with tempfile.TemporaryDirectory() as place:
        work = Path(place, "work")
        work.mkdir()
        prepare(work)
        for name in COMMANDS:
            before = Path(place, f"before_{name}")
            shutil.copytree(work, before)
            began = time.monotonic()
            status, output = finish(start(name, work))
            seconds = time.monotonic() - began
            assert status == 0, output
            if name in asked.only:
                rng = random.Random(f"{asked.seed} {name}")
                result[name] = kill_often(name, before, work, seconds, rng, asked.kills)
            shutil.rmtree(before)
            if all(other in result for other in asked.only):
                break
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    wrong = [name for name in asked.only if result[name]["equal"] < asked.kills]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
