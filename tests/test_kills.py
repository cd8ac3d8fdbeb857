"""A command that is killed at any write leaves, after the next call, the files of an undisturbed one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from promise_cli.evaluate.command import evaluate
from promise_cli.predict import predict
from tests.benchmarks.kills import differences
from tests.conftest import RUN, write_nifti
from tests.killer import Kill, Killer


def kill_at_each_write(root: Path, folder: str, call: Callable[[], object], least: int) -> None:
    """Kill a call at its first write, its second one and so on. Each time, call again and compare the folder.

    Args:
        root: The current folder.
        folder: Folder that the call writes into. Before each call, it is as it was at first.
        call: The call.
        least: Least number of writes, to make sure that they are seen.
    """
    before, expected, work = root / ".before", root / ".expected", root / folder
    work.mkdir(exist_ok=True, parents=True)
    shutil.copytree(work, before)
    call()
    shutil.copytree(work, expected)
    for nth in range(1, 100):
        shutil.rmtree(work)
        shutil.copytree(before, work)
        with pytest.MonkeyPatch.context() as patch:
            killer = Killer(patch, nth)
            try:
                call()
            except Kill:
                pass
            else:
                break
        call()
        assert list(differences(work, expected)) == [], f"killed at write {nth}: {killer.last}"
    assert nth > least


@pytest.mark.slow
def test_a_prediction_killed_at_any_write_is_completed_by_the_next_call(balls: Path) -> None:
    clicks = json.loads(Path("points.json").read_text())
    Path("points.json").write_text(json.dumps({name: clicks[name] for name in sorted(clicks)[:2]}))

    def call() -> None:
        assert predict(Path("imgs"), Path("points.json"), device="cpu", report=True, save_prob=True)

    kill_at_each_write(balls, "predictions/imgs", call, 8)


@pytest.mark.slow
def test_an_evaluation_killed_at_any_write_is_completed_by_the_next_call(in_folder: Path) -> None:
    for folder, first in (("masks", 5), ("labels", 4)):
        array = np.zeros((12, 12, 12), dtype=np.uint8)
        array[first:9, 4:9, 4:9] = 1
        for name in "ab":
            write_nifti(in_folder / folder / f"{name}.nii.gz", array, np.eye(4))

    def call() -> None:
        evaluate(Path("masks"), Path("labels"), output=Path("scores"), nnunet=True, workers=0)

    kill_at_each_write(in_folder, "scores", call, 4)
    call()
    kill_at_each_write(in_folder / "second", "../scores", call, 4)


@pytest.mark.slow
def test_a_study_of_clicks_killed_at_any_write_is_completed_by_the_next_call(balls: Path) -> None:
    from promise_cli.evaluate.clicks import StudyRequest, study_clicks

    def call() -> None:
        study_clicks(StudyRequest(clicks=(1,), device="cpu", overwrite=True))

    kill_at_each_write(balls, f"{RUN}/clicks", call, 4)
