"""The measurements for a graphics card run at toy size on the CPU, so that a lease is not lost on a typing error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.gpu import lease
from promise_cli.demo.phantom import write_phantom
from tests.conftest import made_once

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a phantom, as it is carried to a machine with a card."""
    return made_once(
        tmp_path_factory, "carried", lambda folder: write_phantom(folder / "phantom", 5)
    )


def _rehearse(call: str, out: Path, carried: Path) -> list[dict]:
    done = subprocess.run(
        ["bash", str(ROOT / "experiments" / "gpu" / "run.sh"), call, str(out), "--toy"],
        env=os.environ | {"PYTHON": sys.executable, "PROMISE_GPU_CARRIED": str(carried)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [json.loads(line) for line in (out / lease.RESULTS).read_text().splitlines()]
    assert [line for line in found if "error" in line or "tail" in line] == []
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    ends = [line["stage"] for line in found if line.get("outcome") == "done"]
    assert ends == [stage.name for stage in lease.CALLS[call][1]]
    return found


@pytest.mark.rehearsal
@pytest.mark.slow(seconds=50)
def test_the_first_call_of_a_lease_measures_steps_agreement_and_commands(
    tmp_path: Path, carried: Path
) -> None:
    found = _rehearse("first", tmp_path, carried)
    commands = {line["command"]: line for line in found if "command" in line}
    assert {"preprocess", "train", "predict", "evaluate"} < set(commands)
    stopped = commands["train, stopped by SIGTERM"]
    assert stopped["status"] == 1
    assert stopped["last_lines"][-1].startswith("epoch 1/")
    agreement = {line["agreement"]: line for line in found if "agreement" in line}
    assert agreement["fp32"]["logits"] == agreement["fp32"]["gradients"] == 0
    assert 0 < agreement["bf16"]["logits"] < 0.1
    steps = [line["step"] for line in found if "median_ms" in line and "step" in line]
    assert len(steps) == 11
    products = [line["product"] for line in found if "product" in line]
    assert products == ["bf16", "fp16", "tf32", "fp32"]
    assert len([line for line in found if "convolution" in line]) == 36


@pytest.mark.rehearsal
@pytest.mark.slow(seconds=35)
def test_the_second_call_of_a_lease_trains_and_predicts(tmp_path: Path, carried: Path) -> None:
    found = _rehearse("second", tmp_path, carried)
    (scores,) = [line["scores"] for line in found if "scores" in line]
    assert all(0 <= score <= 1 for score in scores)
    clicks = [(line["prediction"], line["tta"], line["click"]) for line in found if "click" in line]
    assert len(set(clicks)) == 8
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["output.txt", "profile.txt", "results.jsonl", "training_recommended.tar.gz"]
    assert "epoch 2/2: loss" in (tmp_path / "output.txt").read_text()
    assert "aten::" in (tmp_path / "profile.txt").read_text()


def test_a_stage_that_hangs_is_killed_and_what_it_found_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = 'import time; print(\'{"found": 1}\', flush=True); print("then", flush=True); time.sleep(60)'
    real = subprocess.Popen
    monkeypatch.setattr(
        lease.subprocess,
        "Popen",
        lambda _, **options: real([sys.executable, "-c", script], **options),
    )
    stage = lease.Stage("hangs", 2.0)
    monkeypatch.setattr(lease, "NO_TIME", 0.0)
    monkeypatch.setitem(lease.CALLS, "first", (10.0, (stage,)))
    assert lease.run_call("first", tmp_path, toy=False) == 1
    kept = [json.loads(line) for line in (tmp_path / lease.RESULTS).read_text().splitlines()]
    assert kept[0] == {"stage": "hangs", "found": 1}
    assert kept[1]["outcome"] == "out of time"
    assert kept[1]["tail"] == ["then"]
    assert '"found": 1' in capsys.readouterr().out


def test_a_stage_for_which_no_time_is_left_is_skipped_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(lease.CALLS, "first", (1.0, (lease.Stage("environment", 10.0),)))
    assert lease.run_call("first", tmp_path, toy=False) == 1
    (line,) = (tmp_path / lease.RESULTS).read_text().splitlines()
    assert json.loads(line) == {"stage": "environment", "skipped": "1 s are left"}


def test_the_stages_of_a_call_fit_into_its_time() -> None:
    for total, stages in lease.CALLS.values():
        assert sum(stage.seconds for stage in stages) <= total
    assert lease.CALLS["first"][0] + lease.CALLS["second"][0] < 15 * 60 - 180
