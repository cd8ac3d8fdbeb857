"""Run the stages of one call, each with a limit of its own, and write every result to a file as soon as it is measured.

    python -m experiments.gpu.lease first|second|third|fourth OUT [--toy]

`run.sh` calls this after it has installed what was carried along.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

RESULTS = "results.jsonl"
OUTPUT = "output.txt"
"""Everything that the stages print besides their results, such as tracebacks."""
TOY_SECONDS = 600.0
"""Limit of every stage of a rehearsal, whose machine may be slow."""
NO_TIME = 5.0
"""Seconds. A stage is skipped if less time than this is left in the call."""


@dataclass(frozen=True)
class Stage:
    """One stage of a call."""

    name: str
    """Module in `experiments.gpu.stages`."""
    seconds: float
    """Limit, after which the stage is killed. What it printed before is kept. Seconds that earlier stages did not use
    are added to the limit."""
    arguments: tuple[str, ...] = ()


CALLS: dict[str, tuple[float, tuple[Stage, ...]]] = {
    "first": (
        290.0,
        (
            Stage("environment", 60),
            Stage("commands", 75),
            Stage("agreement", 35),
            Stage("convolutions", 25),
            Stage("steps", 95, ("first",)),
        ),
    ),
    "second": (
        410.0,
        (
            Stage("training", 270, ("recommended", "230")),
            Stage("prediction", 40),
            Stage("steps", 100, ("second",)),
        ),
    ),
    "third": (
        410.0,
        (
            Stage("training", 200, ("vit_b", "170")),
            Stage("training", 200, ("dynunet", "170")),
        ),
    ),
    "fourth": (
        410.0,
        (
            Stage("training", 200, ("paper", "170")),
            Stage("training", 200, ("recommended", "170")),
        ),
    ),
}
"""Seconds and stages of each call, the most valuable stage first. The first two calls use one
lease of the machine, the others a second one. All trainings of the second lease take the same time."""


def run_call(name: str, out: Path, *, toy: bool) -> int:
    """Run the stages of a call and return the number of those that failed, ran out of time or were skipped."""
    total, stages = CALLS[name]
    began = time.monotonic()
    until, bad = 0.0, 0
    for stage in stages:
        until += stage.seconds  # time that a stage does not use goes to the next one
        left = min(until, total) - (time.monotonic() - began)
        if left < NO_TIME and not toy:
            _keep(out, stage.name, {"skipped": f"{left:.0f} s are left"})
            bad += 1
            continue
        outcome = _run(stage, out, TOY_SECONDS if toy else left, toy=toy)
        bad += outcome != "done"
    return bad


def _run(stage: Stage, out: Path, limit: float, *, toy: bool) -> str:
    """Run one stage in a process group of its own, and return how it ended."""
    began = time.monotonic()
    command = [sys.executable, "-m", f"experiments.gpu.stages.{stage.name}", *stage.arguments]
    environment = os.environ | {"PROMISE_GPU_OUT": str(out), "PROMISE_GPU_TOY": str(int(toy))}
    with (
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            process_group=0,
        ) as process,
        (out / OUTPUT).open("a") as output,
    ):
        killer = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        killer.start()
        tail: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            found = _parse(line)
            if found is not None:
                _keep(out, stage.name, found)
                continue
            output.write(line)
            output.flush()
            tail = [*tail[-30:], line.rstrip()]
        status = process.wait()
        killer.cancel()
    seconds = round(time.monotonic() - began, 1)
    ran_out = status == -signal.SIGKILL and seconds >= limit - 1
    outcome = "done" if status == 0 else "out of time" if ran_out else f"status {status}"
    ended: dict[str, object] = {"outcome": outcome, "seconds": seconds}
    if status:
        ended["tail"] = tail
    _keep(out, stage.name, ended)
    return outcome


def _parse(line: str) -> dict[str, object] | None:
    """Return the result that a line of output holds; None if it holds none."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _keep(out: Path, stage: str, found: dict[str, object]) -> None:
    """Append one result to the file, and show it."""
    line = json.dumps({"stage": stage, **found})
    with (out / RESULTS).open("a") as file:
        file.write(line + "\n")
    sys.stdout.write(line[:400] + "\n")


def main() -> None:
    """Run one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("call", choices=CALLS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--toy", action="store_true", help="small sizes on the CPU")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    sys.exit(run_call(options.call, options.out.resolve(), toy=options.toy) > 0)


if __name__ == "__main__":
    main()
