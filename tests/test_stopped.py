"""SIGTERM and Ctrl-C end each command in one line, leave no process behind, and the same command continues."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from promise_cli.dataset.fingerprint.source import SETTLED_SECONDS
from promise_cli.disk.records import load_json
from promise_cli.jobs.signals import Terminated, sigterm_interrupts, stop_message, stop_says
from promise_cli.preprocess.command import preprocess
from tests.boxes import write_large_cases
from tests.conftest import DATASET, RUN, write_dataset

SIGNALS = [signal.SIGTERM, signal.SIGINT]


def stop(line: str, folder: Path, how: signal.Signals, when: Callable[[], bool]) -> str:
    """Start a command, send a signal to all its processes as soon as a condition holds, and return its last line."""
    # A background job of a shell ignores SIGINT, and its children inherit that.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    program, *options = line.split()
    process = subprocess.Popen(
        [Path(sys.executable).with_name(program), *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, handler)
    while not when():
        assert process.poll() is None
        time.sleep(0.005)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, how)  # a terminal, and a cluster, send it to all processes
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert psutil.wait_procs(children, timeout=20)[1] == []
    assert not [path for path in folder.rglob(".tmp-*") if "case" not in path.name]
    return output.splitlines()[-1]


def has(folder: Path, pattern: str, number: int = 1) -> Callable[[], bool]:
    return lambda: len(list(folder.glob(pattern))) >= number


@pytest.fixture
def many_balls(tmp_path: Path) -> Path:
    """A dataset of forty balls, which takes about a second to preprocess."""
    write_dataset(tmp_path / "Task98_Balls", 40)
    time.sleep(
        SETTLED_SECONDS
    )  # measurements of files that have just been written are made again by the next call
    return tmp_path


@pytest.mark.parametrize("how", SIGNALS)
@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (
            ".preprocessing/Task98_Balls/measured/[!.]*",
            "verified, and this command has written none yet",
        ),
        ("preprocessed/Task98_Balls/cases/[!.]*", "written"),
    ],
)
@pytest.mark.slow
def test_a_stopped_preprocessing_says_how_far_it_is_and_continues(
    many_balls: Path, how: signal.Signals, pattern: str, said: str
) -> None:
    last = stop("promise-preprocess 98 --workers 2", many_balls, how, has(many_balls, pattern, 2))
    place = "" if "verified" in said else f"{DATASET}: "
    begin, _, end = last.partition(" of 40 cases are ")
    assert begin.startswith(f"error: stopped by {how.name}; {place}")
    assert 2 <= int(begin.split()[-1]) <= 40
    assert end == f"{said}; run the same command again to continue"
    done = preprocess("98", root=many_balls, workers=0)
    assert done.num_new <= 40 - (2 if said == "written" else 0)
    assert done.num_there == 40
    assert not list(many_balls.rglob(".tmp-*"))


@pytest.mark.slow(seconds=13)
def test_a_stopped_prediction_keeps_its_masks_and_continues(balls: Path) -> None:
    for number in range(7, 20):
        shutil.copy("imgs/ball_001.nii.gz", f"imgs/ball_{number:03d}.nii.gz")
    clicks = load_json(Path("points.json"))
    points = clicks | {f"ball_{number:03d}": clicks["ball_001"] for number in range(7, 20)}
    Path("points.json").write_text(str(points).replace("'", '"'))
    line = "promise-predict -i imgs -p points.json --device cpu --report"
    record = balls / "predictions" / "imgs" / "predictions.json"
    done = 0
    for how in SIGNALS:
        last = stop(line, balls, how, has(balls, "predictions/imgs/ball_*.nii.gz", done + 1))
        before, done = done, len(load_json(record)["cases"])
        assert before < done < 19
        assert last == (
            f"error: stopped by {how.name}; predictions/imgs: {done} of 19 cases are predicted; run the same command"
            " again to continue"
        )
        assert not (record.parent / "report.html").exists()
    program = Path(sys.executable).with_name("promise-predict")
    again = subprocess.run([program, *line.split()[1:]], capture_output=True, text=True, check=True)
    assert f"{done} cases were finished before" in again.stdout
    assert len(load_json(record)["cases"]) == 19
    assert (record.parent / "report.html").exists()


@pytest.mark.parametrize("how", SIGNALS)
@pytest.mark.slow
def test_a_stopped_evaluation_says_that_it_begins_anew(
    in_folder: Path, how: signal.Signals
) -> None:
    write_large_cases(in_folder, 400)
    before = time.monotonic()

    def scores() -> bool:
        return time.monotonic() - before > 1 and len(psutil.Process().children(True)) > 3

    line = "promise-evaluate masks labels --workers 2 --metrics hd95"
    last = stop(line, in_folder, how, scores)
    begin, _, end = last.partition(" of 400 cases were scored; ")
    assert begin.startswith(f"error: stopped by {how.name}; ")
    assert end == (
        "scores are written when all cases are done, so run the same command again from the beginning"
    )
    assert not list((in_folder / "masks").glob("metrics.*"))


@pytest.mark.slow
def test_a_stopped_study_of_clicks_keeps_its_cases_and_continues(balls: Path) -> None:
    from promise_cli.dataset.splits import Splits
    from promise_cli.disk.records import load_record

    number = len(load_record(Splits, balls / DATASET / "splits.json").folds[0].test)
    line = "promise-evaluate --clicks 1 --fold 0 --device cpu --trials 200"
    last = stop(line, balls, signal.SIGTERM, has(balls, f"{RUN}/clicks/unfinished"))
    begin, _, end = last.partition(f" of {number} case")
    assert begin.startswith(f"error: stopped by SIGTERM; {RUN}/clicks/unfinished: ")
    assert end.endswith("finished and kept; run the same command again to continue")


@pytest.mark.slow
def test_sigterm_before_the_first_step_of_a_training_is_one_line_too(balls: Path) -> None:
    lock = balls / "results" / "Task98_Balls" / "fold_1"
    line = "promise-train --fold 1 --preset tiny --device cpu --epochs 50"
    last = stop(line, balls, signal.SIGTERM, has(lock, ".lock"))
    assert last.startswith("error: ")
    assert "stopped by SIGTERM" in last


def test_the_innermost_block_says_what_is_finished() -> None:
    outer, inner = stop_says(lambda: "outer"), stop_says(lambda: "3 are done")
    with pytest.raises(Terminated) as caught, sigterm_interrupts(), outer, inner:
        signal.raise_signal(signal.SIGTERM)
    assert stop_message(caught.value) == "stopped by SIGTERM; 3 are done"
    with pytest.raises(KeyboardInterrupt) as caught, stop_says(lambda: "4 are done"):
        raise KeyboardInterrupt
    assert stop_message(caught.value) == "stopped by SIGINT; 4 are done"
    assert stop_message(KeyboardInterrupt()) == (
        "stopped by SIGINT; finished work is kept; run the same command again to continue"
    )


def test_a_second_sigterm_does_not_interrupt_the_end() -> None:
    before = signal.getsignal(signal.SIGTERM)
    steps = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            steps.append("ended")

    with pytest.raises(Terminated), sigterm_interrupts():
        work()
    assert steps == ["ended"]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_process_that_ignores_sigterm_goes_on_ignoring_it() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with sigterm_interrupts():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
