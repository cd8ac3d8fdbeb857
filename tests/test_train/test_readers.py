"""Processes that read samples: the same samples, no shared memory, and no end that leaves anything waiting."""

import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from promise_cli.errors import DatasetError, StoppedError
from promise_cli.network.checkpoint import load_checkpoint
from promise_cli.train import readers as readers_module
from promise_cli.train import stopping
from promise_cli.train.readers import NoSampleError, Readers
from promise_cli.train.samples import Sample, TrainingSamples
from tests.conftest import RUN
from tests.in_namespace import run_on_small_disk
from tests.test_train.runs import copy_workspace, train_balls

CPU = torch.device("cpu")
BATCHES = [[0, 1], [2], [3, 4], [5], [6]]


class Numbers(torch.utils.data.Dataset):
    """Samples that hold their own number. Number 6 does what the mode says."""

    def __init__(self, mode: str = "") -> None:
        self.mode = mode

    def __getitem__(self, index: int) -> Sample:
        if index == 6 and self.mode == "error":
            raise DatasetError("case_6: damaged; make it again")
        if index == 6 and self.mode == "bus error":
            faulthandler.disable()  # pytest's would print a traceback
            os.kill(os.getpid(), signal.SIGBUS)
        if index == 6 and self.mode == "exit":
            os._exit(3)
        if index == 6 and self.mode == "wait":
            time.sleep(1000)
        edge = 64 if self.mode == "large" else 8
        full = torch.full((1, edge, edge, edge), float(index))
        clicks = torch.zeros(index % 2 * 0 + 1, 3)
        return Sample(
            full, full + 0.5, clicks, torch.ones(1, dtype=torch.int64), (f"case_{index}",)
        )


@pytest.mark.parametrize("workers", [0, 1, 2, 9])
def test_batches_come_in_order_with_any_number_of_processes(workers: int) -> None:
    readers = Readers(Numbers(), BATCHES, workers, CPU)
    found = list(readers)
    readers.end()
    assert [sample.case_ids for sample in found] == [
        tuple(f"case_{index}" for index in batch) for batch in BATCHES
    ]
    assert [sample.image[:, 0, 0, 0, 0].tolist() for sample in found] == BATCHES
    assert found[0].target.shape == (2, 1, 8, 8, 8)
    found[0].image.add_(1)  # their memory may be written to
    assert multiprocessing.active_children() == []
    assert list(Readers(Numbers(), [], workers, CPU)) == []


@pytest.mark.parametrize(
    ("mode", "kind", "message"),
    [
        ("error", DatasetError, r"^case_6: damaged; make it again$"),
        ("bus error", RuntimeError, "^DataLoader worker "),
        ("exit", RuntimeError, "^DataLoader worker "),
        ("wait", NoSampleError, "^$"),
    ],
)
def test_a_process_that_fails_or_does_not_answer_is_an_error(
    mode: str, kind: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers_module, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.1)
    readers = Readers(Numbers(mode), BATCHES, 2, CPU, gives_up=lambda: mode == "wait")
    found: list[Sample] = []
    with pytest.raises(kind, match=message):
        found.extend(readers)
    readers.end()
    assert len(found) == 4 or issubclass(kind, RuntimeError)  # torch notices a dead process at once
    assert multiprocessing.active_children() == []


def test_a_process_that_is_killed_in_the_middle_of_a_sample_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pipe is too small for the sample, so the process waits in the middle of it until somebody reads."""
    monkeypatch.setattr(readers_module, "LOOK_EVERY_S", 0.2)
    readers = Readers(Numbers("large"), BATCHES, 1, CPU)
    noticed_by_torch = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # as if it came too early
    try:
        (process,) = multiprocessing.active_children()
        assert readers._reading._worker_result_queue._reader.poll(60)
        process.kill()
        process.join()
        with pytest.raises(RuntimeError, match=r"^DataLoader worker .* exited unexpectedly"):
            next(readers)
    finally:
        signal.signal(signal.SIGCHLD, noticed_by_torch)
    readers.end()
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_the_samples_of_a_training_are_the_same_in_other_processes(preprocessed: Path) -> None:
    from promise_cli.network.recipe import preset

    config = preset("tiny")[1]
    cases = preprocessed / "preprocessed" / "Task98_Balls" / "cases"
    samples = TrainingSamples(cases, ("ball_001", "ball_002"), 16, config, 3, 10.0)
    batches = [samples.order(0), samples.order(1)]
    both = []
    for workers in (0, 2):
        readers = Readers(samples, batches, workers, CPU)
        both.append(list(readers))
        readers.end()
    for one, other in zip(*both, strict=True):
        assert one.case_ids == other.case_ids
        assert all(map(torch.equal, one.tensors, other.tensors))


@pytest.mark.slow
def test_readers_end_with_a_training_that_is_killed() -> None:
    code = (
        "import time, torch; from tests.test_train.test_readers import Numbers, Readers;"
        "readers = Readers(Numbers(), [[0]] * 999, 3, torch.device('cpu'));"
        "next(readers); print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as training:
        assert training.stdout is not None
        assert training.stdout.readline() == "ready\n"
        children = psutil.Process(training.pid).children()
        training.kill()
    assert len(children) == 3
    assert psutil.wait_procs(children, timeout=20)[1] == []


def test_sigterm_ends_a_training_whose_readers_do_not_answer(
    preprocessed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = TrainingSamples.__getitem__

    def wait(self: TrainingSamples, index: int) -> Sample:
        if index != self.order(0)[0]:
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(1000)
        return read(self, index)

    monkeypatch.setattr(TrainingSamples, "__getitem__", wait)
    monkeypatch.setattr(stopping, "PATIENCE_S", 0.2)
    monkeypatch.setattr(readers_module, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.1)
    root = copy_workspace(preprocessed, tmp_path)
    with pytest.raises(StoppedError, match="stopped by SIGTERM in epoch 1 after 1 of 8 steps"):
        train_balls(root, workers=1)
    assert load_checkpoint(root / RUN / "checkpoint_last.pt").step == 1
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.parametrize(("size", "enough"), [("256k", True), ("16k", False)])
def test_a_training_needs_little_shared_memory_or_says_how_to_get_it(
    preprocessed: Path, tmp_path: Path, size: str, enough: bool
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    program = Path(sys.executable).with_name("promise-train")
    options = "--fold 0 --preset tiny --epochs 1 --patches-per-case 1 --device cpu --workers 6"
    line = [program, *options.split(), "--root", root]
    done = run_on_small_disk(line, Path("/dev/shm"), size)
    assert "Traceback" not in done.stderr
    assert done.returncode == (not enough), done.stderr
    assert (root / RUN / "metrics.json").exists() == enough
    if not enough:
        assert done.stderr.splitlines()[-1] == (
            "error: --workers 4: the processes that read samples need locks in shared memory (No space left on"
            " device); use --workers 0, or enlarge /dev/shm (Docker: --shm-size=1g)"
        )
