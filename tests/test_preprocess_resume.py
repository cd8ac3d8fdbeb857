"""Whatever stops promise-preprocess, and whatever other command runs at the same time, it leaves the same bytes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from promise_cli.preprocess.command import preprocess
from tests.conftest import edit_json, write_dataset

COMMAND = str(Path(sys.executable).with_name("promise-preprocess"))
KILLS = 6


def tree(root: Path) -> dict[str, bytes]:
    """Return the content of all files that the command left, hidden ones too."""
    folder = root / "preprocessed"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def start(root: Path, *options: str) -> subprocess.Popen[str]:
    """Start the command in a process group of its own, so that a signal reaches its workers too."""
    return subprocess.Popen(
        [COMMAND, "98", "--root", str(root), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], status: int = 0) -> str:
    output = process.communicate(timeout=120)[0]
    assert process.returncode == status, output
    return output


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of eight cases that was preprocessed without disturbance; tests only read it."""
    root = tmp_path_factory.mktemp("undisturbed")
    write_dataset(root / "Task98_Balls", 8)
    preprocess("98", root=root, workers=0)
    return root


@pytest.fixture
def fresh(tmp_path: Path, expected: Path) -> Path:
    """The same dataset, not yet preprocessed, in a workspace of the test's own."""
    shutil.copytree(expected / "Task98_Balls", tmp_path / "Task98_Balls")
    return tmp_path


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.slow
def test_a_run_killed_at_any_instant_and_restarted_leaves_the_same_bytes(
    fresh: Path, expected: Path, workers: str
) -> None:
    rng = random.Random(7)
    for _ in range(KILLS):
        process = start(fresh, "--workers", workers)
        time.sleep(rng.uniform(0.25, 1.4 if workers == "2" else 0.8))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    finish(start(fresh, "--workers", workers))
    assert tree(fresh) == tree(expected)


@pytest.mark.slow
def test_a_command_may_be_restarted_at_once_while_workers_of_a_killed_one_still_run(
    fresh: Path, expected: Path
) -> None:
    for delay in (0.7, 1.0):
        process = start(fresh, "--workers", "2")
        time.sleep(delay)
        process.kill()  # its workers end only after their current case
        process.communicate()  # waits for them, since they share its output
    finish(start(fresh, "--workers", "0"))
    assert tree(fresh) == tree(expected)


def test_a_run_killed_between_two_renames_can_be_restarted(fresh: Path, expected: Path) -> None:
    """The command moves the old folder of a case away before it moves the new one into place."""
    preprocess("98", root=fresh, workers=0)
    cases = fresh / "preprocessed" / "Task98_Balls" / "cases"
    (cases / "ball_001").rename(cases / ".tmp-0123abcd-ball_001")
    shutil.copytree(cases / "ball_002", cases / ".tmp-4567abcd-ball_002")
    (cases.parent / ".tmp-89abcdef-plans.json").write_text("{")
    assert preprocess("98", root=fresh, workers=0).num_new == 1
    assert tree(fresh) == tree(expected)


def test_shards_at_the_same_time_leave_the_files_of_one_command(
    fresh: Path, expected: Path
) -> None:
    shards = [start(fresh, "--workers", "0", "--shard", f"{n}/3") for n in (1, 2, 3)]
    for shard in shards:
        finish(shard)
    assert tree(fresh) == tree(expected)


def test_shards_one_after_the_other_leave_the_files_of_one_command(
    fresh: Path, expected: Path
) -> None:
    done = [preprocess("98", root=fresh, workers=0, shard=f"{n}/3") for n in (2, 3, 1)]
    assert [one.num_new for one in done] == [3, 2, 3]
    assert [one.num_there for one in done] == [3, 5, 8]
    assert tree(fresh) == tree(expected)


def test_a_shard_says_how_many_cases_of_other_shards_are_missing(fresh: Path) -> None:
    output = finish(start(fresh, "--workers", "0", "--shard", "1/3"))
    assert output.splitlines()[-1] == (
        "shard 1/3 is done; 5 cases of other shards are still missing"
    )


@pytest.mark.slow
def test_several_commands_at_the_same_time_leave_the_same_files(
    fresh: Path, expected: Path
) -> None:
    options = [("--workers", "0"), ("--workers", "2"), ("--workers", "0", "--overwrite")]
    commands = [start(fresh, *more) for more in options]
    for command in commands:
        finish(command)
    assert tree(fresh) == tree(expected)


def test_a_plan_changed_by_another_command_stops_this_one(fresh: Path) -> None:
    """The cases that this command would write fit only the old plan."""
    from promise_cli.dataset.folder import read_dataset
    from promise_cli.errors import DatasetError
    from promise_cli.preprocess.verify import survey_dataset
    from promise_cli.preprocess.write import make_cases

    done = preprocess("98", root=fresh, workers=0, shard="1/8")
    edit_json(done.folder / "plans.json", lambda plan: plan.update(spacing=[2.0, 2.0, 2.0]))
    dataset = read_dataset(fresh / "Task98_Balls")
    cases = survey_dataset(dataset, 1, fresh / ".preprocessing", workers=0).usable
    with pytest.raises(DatasetError) as caught:
        make_cases(cases[1:2], done.plan, done.folder, fresh, workers=0, overwrite=False)
    assert str(caught.value) == (
        f"{done.folder}/plans.json: was changed by another command; let that command end, then run this one again"
    )


def test_a_case_whose_files_only_have_a_new_time_is_not_made_again(fresh: Path) -> None:
    preprocess("98", root=fresh, workers=0)
    for path in (fresh / "Task98_Balls" / "imagesTr").iterdir():
        os.utime(path, ns=(10**18, 10**18))  # a new time, but the same bytes
    assert preprocess("98", root=fresh, workers=0).num_new == 0


def test_a_changed_scan_with_its_old_time_is_noticed(fresh: Path) -> None:
    preprocess("98", root=fresh, workers=0)
    path = fresh / "Task98_Balls" / "imagesTr" / "ball_003.nii.gz"
    before, content = path.stat(), (path.with_name("ball_004.nii.gz")).read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    other = fresh / "Task98_Balls" / "labelsTr" / "ball_004.nii.gz"
    (fresh / "Task98_Balls" / "labelsTr" / "ball_003.nii.gz").write_bytes(other.read_bytes())
    assert preprocess("98", root=fresh, workers=0).num_new == 1
