"""The estimate of a case's memory is not below what the case takes, and not many times as much."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from promise_cli.dataset.folder import CaseFiles
from promise_cli.preprocess.memory import BASE, estimate_peak
from tests.conftest import affine_of, write_nifti
from tests.scans import write_dicom, write_itk

AFFINE = affine_of("LPS", (0.8, 0.8, 2.5), (0, 0, 0))
MEASURE = """
import sys
from pathlib import Path
from promise_cli.dataset.case import preprocess_case
from promise_cli.dataset.folder import CaseFiles, Dataset
from promise_cli.dataset.fingerprint import verify_case
from promise_cli.dataset.plan import Normalisation, Plan

image, label, folder = map(Path, sys.argv[1:])
files = CaseFiles("case", image, label)
numbers = Normalisation(scheme="case", low=-10.0, high=60.0, mean=20.0, std=5.0)
plan = Plan(dataset="x", target_label=1, target_name="t", modality="MRI", orientation="RAS", spacing=(1.0, 1.0, 1.0),
            patch_size=128, normalisation=numbers)
verify_case(files, Dataset("x", folder, "CT", {1: "t"}, (files,)), 1)
preprocess_case(files, plan, folder / "cases")
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read on Linux")
@pytest.mark.parametrize("kind", ["int16.nii.gz", "float32.nii.gz", "int16.nrrd", "int16"])
def test_a_case_takes_no_more_memory_than_estimated_from_its_headers(
    tmp_path: Path, kind: str
) -> None:
    array = np.random.default_rng(0).integers(-1000, 1000, (256, 256, 100), dtype=np.int16)
    label = np.zeros(array.shape, np.uint8)
    label[100:120, 100:120, 40:60] = 1
    path = tmp_path / f"scan.{kind.split('.', 1)[1]}" if "." in kind else tmp_path / "scan"
    if path.suffix == ".gz":
        write_nifti(path, array.astype(kind.split(".", maxsplit=1)[0]), AFFINE)
    elif path.suffix:
        write_itk(path, array, AFFINE)
    else:
        write_dicom(path, array, AFFINE)
    files = CaseFiles("case", path, write_nifti(tmp_path / "label.nii.gz", label, AFFINE))
    line = [sys.executable, "-c", MEASURE, str(path), str(files.label), str(tmp_path)]
    peak = int(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
    expected = max(estimate_peak(files, None), estimate_peak(files, (1.0, 1.0, 1.0)))
    assert peak < expected < 3 * peak


def test_a_file_that_cannot_be_read_is_estimated_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(b"0" * 1000)
    assert estimate_peak(CaseFiles("x", path, path), None) == BASE + 10_000
    gone = tmp_path / "gone.nii.gz"
    assert estimate_peak(CaseFiles("x", gone, gone), None) == BASE


HUNGRY = """
import resource, sys
from pathlib import Path
import promise_cli.volume.dicom
from promise_cli.volume import read_volume

read_volume(Path(sys.argv[-1]))  # a warm-up: libraries allocate some memory at the first call
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, used + 2**20))
for name in sys.argv[1:-1]:
    try:
        read_volume(Path(name))
    except MemoryError:
        print(Path(name).name)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited on Linux")
def test_running_out_of_memory_is_not_reported_as_a_damaged_file(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(-1000, 1000, (200, 200, 100), dtype=np.int16)
    paths = [
        write_nifti(tmp_path / "scan.nii.gz", array, AFFINE),
        write_itk(tmp_path / "scan.nrrd", array, AFFINE),
        write_itk(tmp_path / "scan.mha", array, AFFINE),
        write_dicom(tmp_path / "scan", array[:, :, :40], AFFINE),
    ]
    small = write_dicom(tmp_path / "small", array[:4, :4, :4], AFFINE)
    line = [sys.executable, "-c", HUNGRY, *map(str, [*paths, small])]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    assert done.stdout.split() == [path.name for path in paths], done.stderr
