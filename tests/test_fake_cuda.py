"""Training and prediction on a GPU that does not exist: what would be on the wrong device, or would make a GPU wait.

Tensors have no values here (torch's FakeTensorMode); results are those of `test_gpu.py`, which needs a GPU.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import made_once

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the library that lets a CPU build of torch have tensors on a GPU."""
    from torch.utils import cpp_extension

    compiler = shutil.which("g++")
    if compiler is None or sys.platform != "linux":
        pytest.skip("the pretended GPU needs Linux and g++")
    headers = [f"-I{path}" for path in cpp_extension.include_paths()]
    flags = ["-O0", "-shared", "-fPIC", "-std=c++20", *headers]

    def build(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        built = subprocess.run(
            [compiler, *flags, HERE / "fake_cuda" / "guard.cpp", "-o", folder / "guard.so"],
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            pytest.skip(f"the pretended GPU does not compile with this torch: {built.stderr[:300]}")

    return made_once(tmp_path_factory, "guard", build) / "guard.so"


@pytest.fixture(scope="session")
def found(guard: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return the findings by group and name. One process makes them all, because it takes seconds to load torch."""

    def make(folder: Path) -> None:
        groups = ("promise", "rivals", "faults")
        done = subprocess.run(
            [sys.executable, "-m", "tests.fake_cuda.probe", *groups],
            env=os.environ | {"FAKE_CUDA_GUARD": str(guard)},
            cwd=HERE.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        folder.mkdir()
        (folder / "found.json").write_text(done.stdout)

    return json.loads((made_once(tmp_path_factory, "pretended", make) / "found.json").read_text())


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize(("group", "count"), [("promise", 15), ("rivals", 10)])
def test_every_network_runs_on_one_device_and_waits_once_per_step(
    found: dict[str, dict[str, Any]], group: str, count: int
) -> None:
    assert len(found[group]) == count
    for name, seen in found[group].items():
        waits, asked = seen["step waits"], seen["prediction waits"]
        assert list(waits.values()) == [1], f"{name}: {waits}"
        assert next(iter(waits)).startswith("train/step.py:"), f"{name}: {waits}"
        assert sum(asked.values()) == 2, f"{name}, two clicks: {asked}"
        assert seen["uploads"] == [], name
        assert seen["made on the CPU"] == [], name
        assert seen["kernels of a step"] > 300, name


@pytest.mark.slow
def test_every_planted_mistake_is_found(found: dict[str, dict[str, Any]]) -> None:
    faults = found["faults"]
    assert "train/corrections.py:" in str(faults["zeros"]["made on the CPU"])
    assert "train/corrections.py:" in str(faults["item"]["step waits"])
    assert "can't convert cuda:0" in faults["numpy"]["error"]
    assert "same device" in faults["mixed"]["error"]
