"""Predictions into one folder at the same time: other clicks are refused, and shards of one prediction share it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from promise_cli.disk.lock import claim_jointly
from tests.balls import centre, predict

FOLDER = Path("predictions/imgs")
SLOW = (
    "import sys, time\n"
    "from promise_cli.predict import cases\n"
    "write = cases.CaseWork.write\n"
    "def slow(self, case, found):\n"
    "    done = write(self, case, found)\n"
    "    print('written', flush=True)\n"
    "    sys.stdin.readline()\n"
    "    return done\n"
    "cases.CaseWork.write = slow\n"
    "from promise_cli.cli import predict_app; predict_app()"
)
"""promise-predict that waits for a line of input after each case."""


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start promise-predict, and return when its first mask is written."""
    line = [sys.executable, "-c", SLOW, "-i", "imgs", "--device", "cpu", *map(str, arguments)]
    path = str(Path(__file__).resolve().parents[1])
    other = subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )  # fmt: skip
    while (shown := other.stdout.readline()) != "written\n":
        assert shown, "promise-predict ended"
    return other


def end(other: subprocess.Popen[str]) -> None:
    assert other.communicate("\n" * 9)[0]
    assert other.returncode == 0


@pytest.mark.slow
@pytest.mark.usefixtures("balls")
def test_a_second_prediction_with_other_clicks_is_refused_while_the_first_runs() -> None:
    Path("other.json").write_text(json.dumps({"ball_001": centre(1), "ball_002": [1, 2, 3]}))
    other = start("-p", "points.json")
    before = (FOLDER / "predictions.json").read_bytes()
    for line in (
        ("-p", "other.json"),
        ("-p", "points.json"),
        ("-p", "other.json", "--shard", "1/2"),
    ):
        done = predict(*line)
        assert (done.exit_code, done.stderr) == (
            1,
            "error: predictions/imgs: another promise-predict is writing into this folder; wait for it to end, or give"
            " another folder with -o (only calls that differ in nothing but --shard may share one)\n",
        )  # fmt: skip
    assert (FOLDER / "predictions.json").read_bytes() == before
    end(other)
    assert predict("-p", "other.json").exit_code == 0
    assert [path.name for path in FOLDER.parent.glob(".*")] == [".imgs.lock"]


@pytest.mark.slow
@pytest.mark.usefixtures("balls")
def test_shards_of_one_prediction_share_a_folder_and_the_rest_is_refused() -> None:
    other = start("-p", "points.json", "--shard", "1/2")
    assert "another promise-predict" in predict("-p", "points.json", "--shard", "1/2").stderr
    assert "another promise-predict" in predict("-p", "points.json").stderr
    assert predict("-p", "points.json", "--shard", "2/2").exit_code == 0
    end(other)
    record = json.loads((FOLDER / "predictions.json").read_text())
    assert sorted(case["case_id"] for case in record["cases"]) == [
        f"ball_00{n}" for n in range(1, 7)
    ]
    assert record["begun"] == record["unlisted"] == []


@pytest.mark.slow
@pytest.mark.usefixtures("balls")
def test_a_mask_that_a_killed_call_did_not_list_yet_is_written_again() -> None:
    other = start("-p", "points.json")
    other.send_signal(signal.SIGKILL)
    other.communicate()
    path = FOLDER / "predictions.json"
    record = json.loads(path.read_text())
    record["cases"] = []  # as if it had been killed between the mask and its entry
    path.write_text(json.dumps(record))
    assert "ball_001.nii.gz" in record["begun"] or (FOLDER / "ball_001.nii.gz").exists()
    record["begun"] = [f"ball_00{number}.nii.gz" for number in range(1, 7)]
    path.write_text(json.dumps(record))
    assert predict("-p", "points.json").exit_code == 0
    assert json.loads(path.read_text())["begun"] == []
    assert [path.name for path in FOLDER.parent.glob(".*")] == [".imgs.lock"]


def test_a_joint_lock_is_shared_by_other_parts_of_one_purpose_only(tmp_path: Path) -> None:
    path = tmp_path / ".imgs.lock"
    (tmp_path / ".imgs.lock.cccccccc-all").touch()  # of a process that is dead
    with claim_jointly(path, "aaaaaaaa", "1_of_2") as first:
        assert first is True
        for purpose, part, free in (
            ("aaaaaaaa", "2_of_2", True),
            ("aaaaaaaa", "1_of_2", False),
            ("aaaaaaaa", None, False),
            ("bbbbbbbb", "2_of_2", False),
        ):
            with claim_jointly(path, purpose, part) as second:
                assert second is free
    assert [place.name for place in tmp_path.iterdir()] == [".imgs.lock"]
    with claim_jointly(path, "bbbbbbbb", None) as alone:
        assert alone is True


@pytest.mark.usefixtures("balls")
def test_masks_that_are_no_longer_listed_are_replaced_only_when_asked() -> None:
    Path("one.json").write_text(json.dumps({"ball_001": centre(1)}))
    Path("two.json").write_text(json.dumps({"ball_002": centre(2)}))
    assert predict("-p", "one.json").exit_code == 0
    assert predict("-p", "two.json", "--single-window", "--overwrite").exit_code == 0
    record = json.loads((FOLDER / "predictions.json").read_text())
    assert record["unlisted"] == ["ball_001.nii.gz"]
    line = ("-p", "one.json", "--single-window")
    assert (
        "error: predictions/imgs/ball_001.nii.gz: is a mask of another network or of other settings, which"
        " predictions.json no longer lists; give another folder, such as -o predictions/imgs_fold_0_single_window, or"
        " --overwrite to replace it"
    ) in predict(*line).stderr.splitlines()
    assert predict(*line, "--overwrite").exit_code == 0
    assert json.loads((FOLDER / "predictions.json").read_text())["unlisted"] == []
