"""Kill promise-preprocess with SIGKILL at random instants, start it again, and compare with an undisturbed run.

    .venv/bin/python tests/benchmarks/preprocess_kills.py [DATASET] [KILLS]

Each of five rounds begins in an empty folder. The command is killed with all its processes KILLS / 5 times (KILLS is 50
by default), and then runs to its end. Prints JSON: how far the command had come at each kill, and how many rounds left
the same bytes as the undisturbed run.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("promise-preprocess"))
ROUNDS = 5


def start(dataset: str, root: Path) -> subprocess.Popen[bytes]:
    """Start the command in a process group of its own, so that a signal reaches its workers too."""
    line = [COMMAND, dataset, "--root", str(root), "--workers", "2"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(line, stdout=quiet, stderr=quiet, start_new_session=True)


def digest(root: Path) -> str:
    """Return one hash of the names and bytes of all files under preprocessed/, hidden ones too."""
    whole = hashlib.sha256()
    for path in sorted((root / "preprocessed").rglob("*")):
        whole.update(path.relative_to(root).as_posix().encode())
        if path.is_file():
            whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def stage(root: Path) -> str:
    """Return in words how far the killed command had come."""
    if not (root / ".preprocessing").exists():
        return "before the first case was read"
    if not list((root / "preprocessed").glob("*/plans.json")):
        return "verifying"
    half = list((root / "preprocessed").glob("*/cases/.tmp-*"))
    return "a case half written" if half else "between cases"


def main() -> None:
    """Run all rounds, and print the figures as JSON."""
    dataset = sys.argv[1] if len(sys.argv) > 1 else "../shared/data/Task90_SoftTissueSarcoma"
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    rng, stages, equal = random.Random(0), Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = Path(folder, "undisturbed")
        undisturbed.mkdir()
        begin = time.monotonic()
        assert start(dataset, undisturbed).wait() == 0
        seconds = time.monotonic() - begin
        expected = digest(undisturbed)
        for number in range(ROUNDS):
            root = Path(folder, f"round_{number}")
            root.mkdir()
            for _ in range(kills // ROUNDS):
                process = start(dataset, root)
                time.sleep(rng.uniform(0.1, 0.25 * seconds))
                alive = process.poll() is None
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                stages[stage(root) if alive else "after its end"] += 1
            assert start(dataset, root).wait() == 0
            equal += digest(root) == expected
    rows = {"kills": kills, "rounds": ROUNDS, "rounds_equal": equal, "found": dict(stages)}
    sys.stdout.write(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
