"""Jobs are shared among processes within the memory, among shards, with other commands, and despite dying processes."""

import importlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from promise_cli.errors import PromiseError
from promise_cli.jobs import Death, Job, Shard, claim, read_shard, run_jobs
from promise_cli.jobs.memory import free_in_groups, free_memory, usable_cores


def _jobs(items: list, peak: int = 0) -> list[Job]:
    return [Job(item, str(item), peak) for item in items]


def _square(number: int) -> int:
    return number * number


def _die(item: tuple[int, str]) -> int:
    number, how = item
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "segfault":
        signal.raise_signal(signal.SIGSEGV)
    if how == "memory":
        raise MemoryError
    if how == "error":
        raise ValueError(f"{number} is odd")
    return number


def _die_once(item: tuple[int, str]) -> int:
    number, marker = item
    if marker and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def _note_time(_: str) -> tuple[float, float]:
    begin = time.monotonic()
    time.sleep(0.2)
    return begin, time.monotonic()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    assert run_jobs(_square, _jobs(list(range(7))), workers, "x") == [n * n for n in range(7)]
    assert run_jobs(_square, [], workers, "x") == []


def test_a_process_that_dies_costs_only_its_own_job(capsys) -> None:
    items = [(1, ""), (2, "killed"), (3, ""), (4, "segfault"), (5, "memory"), (6, "")]
    jobs = [Job(item, f"case_{item[0]}", 3 * 10**9) for item in items]
    results = run_jobs(_die, jobs, 2, "x")
    assert results[::2][:2] == [1, 3]
    assert results[5] == 6
    assert [results[n].reason for n in (1, 3, 4)] == ["SIGKILL", "SIGSEGV", "a lack of memory"]
    text = str(results[1])
    assert text.startswith(
        "case case_2: the process that worked on it died of SIGKILL, even with no other job running; it needs about"
        " 3.0 GB"
    )
    assert text.endswith("use a machine with more memory, or leave the case out with --skip-bad")
    assert (
        "warning: case case_2: its process died of SIGKILL; it is tried again with no other job running"
        in capsys.readouterr().err
    )


def test_a_job_whose_process_died_is_tried_again_alone(tmp_path: Path) -> None:
    items = [(1, ""), (2, str(tmp_path / "died")), (3, "")]
    assert run_jobs(_die_once, _jobs(items), 2, "x") == [1, 2, 3]
    assert (tmp_path / "died").exists()


def test_running_out_of_memory_without_worker_processes_is_a_result_too() -> None:
    results = run_jobs(_die, _jobs([(1, "memory"), (2, "")]), 0, "x")
    assert isinstance(results[0], Death)
    assert results[1] == 2


def test_an_exception_in_a_process_ends_the_work_and_names_the_case() -> None:
    with pytest.raises(ValueError, match="2 is odd") as caught:
        run_jobs(_die, _jobs([(1, ""), (2, "error"), (3, "")]), 2, "x")
    assert caught.value.__notes__ == ["while working on case (2, 'error')"]


def test_jobs_that_do_not_fit_into_memory_together_run_one_after_the_other() -> None:
    large = int(0.7 * free_memory())
    spans = sorted(run_jobs(_note_time, _jobs(["a", "b", "c"], peak=large), 3, "x"))
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))
    beyond = 100 * free_memory()  # a single job runs even if it may not fit
    assert len(run_jobs(_note_time, _jobs(["a"], peak=beyond), 2, "x")) == 1


def test_the_memory_limit_of_a_control_group_counts(tmp_path: Path) -> None:
    job = tmp_path / "mount" / "slurm" / "job"
    job.mkdir(parents=True)
    (tmp_path / "cgroup").write_text("0::/slurm/job\n")
    for folder, limit in ((job, "max"), (job.parent, "1000")):
        (folder / "memory.max").write_text(limit + "\n")
        (folder / "memory.current").write_text("700\n")
        (folder / "memory.stat").write_text("anon 600\ninactive_file 100\n")
    assert list(free_in_groups(tmp_path / "cgroup", tmp_path / "mount")) == [400]
    assert list(free_in_groups(tmp_path / "none", tmp_path)) == []
    assert 0 < free_memory() < 2**50
    assert usable_cores() >= 1


def test_memory_limits_of_control_groups_version_1_are_read(tmp_path: Path) -> None:
    job = tmp_path / "mount" / "memory" / "slurm"
    job.mkdir(parents=True)
    (tmp_path / "cgroup").write_text("7:cpu:/other\n6:memory:/slurm\n")
    (job / "memory.limit_in_bytes").write_text("1000\n")
    (job / "memory.usage_in_bytes").write_text("300\n")
    (job / "memory.stat").write_text("total_inactive_file 50\n")
    assert list(free_in_groups(tmp_path / "cgroup", tmp_path / "mount")) == [750]


@pytest.mark.parametrize("count", [1, 3, 16])
def test_shards_do_not_overlap_and_together_hold_all_items(count: int) -> None:
    items = list(range(11))
    shares = [Shard(number, count).share(items) for number in range(1, count + 1)]
    assert sorted(item for share in shares for item in share) == items
    for number in range(1, count + 1):
        order = Shard(number, count).own_first(items)
        assert sorted(order) == items
        assert order[: len(shares[number - 1])] == shares[number - 1]


@pytest.mark.parametrize("text", ["0/16", "17/16", "3", "3/0", "a/b", "-1/4", "1/2/3", ""])
def test_an_impossible_shard_is_refused(text: str) -> None:
    assert read_shard("3/16") == Shard(3, 16)
    assert read_shard(None) == Shard(1, 1)
    with pytest.raises(PromiseError) as caught:
        read_shard(text)
    assert str(caught.value) == (
        f"--shard {text}: not a part of a job; give I/N counted from 1, such as 3/16 for the third of 16"
    )


def _try_claim(path: str) -> bool | None:
    with claim(Path(path), wait=False) as held:
        return held


def test_a_process_leaves_alone_what_another_has_claimed(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "case_1"
    with claim(path) as held:
        assert held
        assert run_jobs(_try_claim, _jobs([str(path)]), 1, "x") == [False]
    assert run_jobs(_try_claim, _jobs([str(path)]), 1, "x") == [True]


def test_waiting_for_a_lock_prints_a_warning(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(importlib.import_module("promise_cli.disk.lock"), "PATIENCE", 0.05)
    path, order = tmp_path / "case_1", []

    def second() -> None:
        with claim(path) as held:
            order.append(held)

    waiting = threading.Thread(target=second)
    with claim(path):
        waiting.start()
        time.sleep(0.4)
        order.append("first")
    waiting.join()
    assert order == ["first", True]
    assert capsys.readouterr().err == (
        f"warning: {path}: another command holds this lock; waiting for it\n"
    )


def test_progress_is_printed_at_intervals_where_there_is_no_terminal(monkeypatch, capsys) -> None:
    assert run_jobs(_square, _jobs([1, 2, 3]), 0, "squaring") == [1, 4, 9]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("promise_cli.console.REPORT_SECONDS", 0.0)
    run_jobs(_square, _jobs([1, 2, 3]), 0, "squaring")
    assert capsys.readouterr().err.splitlines() == [
        "squaring: 1 of 3, about 0 min left",
        "squaring: 2 of 3, about 0 min left",
    ]


def test_sigterm_during_a_finaliser_still_ends_the_process_quietly() -> None:
    code = """
import os, signal, time
from promise_cli.jobs.pool import leave_on_sigterm

class Finalised:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)

leave_on_sigterm()
one = Finalised()
del one
time.sleep(20)
print("still here")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "")


@pytest.mark.skipif(
    sys.platform != "linux", reason="the blocked signals of a process are read from /proc"
)
def test_the_first_process_of_a_command_starts_with_ctrl_c_blocked() -> None:
    code = """
from pathlib import Path
from promise_cli.jobs.pool import _Worker

worker = _Worker(abs)
status = Path(f"/proc/{worker.process.pid}/status").read_text()
blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
worker.end()
print(blocked >> 1 & 1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_a_second_sigterm_does_not_interrupt_what_a_process_removes_at_its_end() -> None:
    code = """
import os, signal
from promise_cli.jobs.pool import leave_on_sigterm

leave_on_sigterm()
try:
    os.kill(os.getpid(), signal.SIGTERM)
finally:
    os.kill(os.getpid(), signal.SIGTERM)
    print("removed")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (143, "removed\n", "")
