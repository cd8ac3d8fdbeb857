"""Input that would fill the memory or take forever to read is refused in one line, before that happens."""

import gzip
import json
import os
import time
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.cli import predict_app, preprocess_app
from promise_cli.dataset import prepare
from promise_cli.dataset.prepare import preprocess_image
from promise_cli.disk.records import load_json
from promise_cli.errors import DatasetError, PlanError, PromptError, VolumeError, listed
from promise_cli.prompts import read_prompts
from promise_cli.volume import limits, read_volume
from tests.conftest import edit_json, write_nifti
from tests.scans import write_itk
from tests.test_case import PLAN
from tests.test_cli import run

HUGE = 32767
CUBE = np.zeros((4, 4, 4), np.int16)


def _claim(path: Path, *, packed: bool) -> Path:
    """Write a NIfTI file whose header claims 32767^3 voxels, which are not there."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header["dim"][:4] = 3, HUGE, HUGE, HUGE
    header["vox_offset"] = 352
    header["pixdim"][:4] = 1
    header["magic"] = b"n+1\0"
    content = header.binaryblock + bytes(4 + 1000)
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def _claim_in_text(path: Path) -> Path:
    """Write a NRRD or MetaImage file whose header claims 32767^3 voxels, which are not there."""
    write_itk(path, CUBE, np.eye(4))
    content = path.read_bytes()
    assert b"4 4 4" in content
    path.write_bytes(content.replace(b"4 4 4", b"32767 32767 32767"))
    return path


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.nrrd", "scan.mha"])
def test_a_header_that_claims_more_voxels_than_there_are_is_refused(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    if name.startswith("scan.nii"):
        _claim(path, packed=name.endswith("gz"))
    else:
        _claim_in_text(path)
    with pytest.raises(VolumeError) as caught:
        read_volume(path)
    assert str(caught.value).startswith(f"{path}: truncated or damaged (")
    assert str(caught.value).endswith("); copy or download it again")


def _bomb(path: Path, size: int = 300_000_000, byte: bytes = b"\0") -> Path:
    """Write a small file of 4^3 voxels behind which many more bytes are packed."""
    write_nifti(path.with_name("base.nii"), CUBE, np.eye(4))
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(path.with_name("base.nii").read_bytes())
        for _ in range(size // 1_000_000):
            file.write(byte * 1_000_000)
    return path


@pytest.mark.parametrize("byte", [b"\0", b"\1"])
def test_a_file_that_unpacks_to_more_than_its_voxels_is_refused(
    tmp_path: Path, byte: bytes
) -> None:
    path = _bomb(tmp_path / "scan.nii.gz", byte=byte)
    tracemalloc.start()
    with pytest.raises(VolumeError) as caught:
        read_volume(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert str(caught.value) == (
        f"{path}: truncated or damaged (more than the 480 bytes that its header asks for); copy or download it again"
    )


def test_zeros_that_fill_up_the_last_block_are_no_fault(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii", CUBE + 7, np.eye(4))
    padded = tmp_path / "padded.nii.gz"
    padded.write_bytes(gzip.compress(path.read_bytes() + bytes(512)))
    path.write_bytes(path.read_bytes() + bytes(512))
    for file in (path, padded):
        assert (read_volume(file).array == 7).all()
    padded.write_bytes(gzip.compress(path.read_bytes() + b"\1"))
    with pytest.raises(VolumeError, match="more than the 480 bytes"):
        read_volume(padded)


def test_an_offset_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii", CUBE, np.eye(4))
    content = bytearray(path.read_bytes())
    content[108:112] = np.float32(3e9).tobytes()
    path.write_bytes(content)
    with pytest.raises(VolumeError, match=r"not readable as NIfTI \(its voxels begin after 3e\+09"):
        read_volume(path)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.nrrd", "scan.mha"])
def test_a_scan_that_does_not_fit_into_the_memory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    (write_nifti if name.startswith("scan.nii") else write_itk)(path, CUBE, np.eye(4))
    monkeypatch.setattr(limits, "free_memory", lambda: 100)
    with pytest.raises(MemoryError) as caught:
        read_volume(path)
    assert str(caught.value) == (
        f"{path}: 4 x 4 x 4 voxels need 0 kB of memory and 0 kB are free; correct the header if it is wrong, or use a"
        " machine with more memory"
    )


def test_voxels_that_are_too_large_are_refused_before_they_are_resampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_nifti(
        tmp_path / "s.nii", np.zeros((50, 50, 50), np.int16), np.diag([90, 90, 90, 1])
    )
    with pytest.raises(DatasetError) as caught:
        preprocess_image(read_volume(path), PLAN, where=str(path))
    assert str(caught.value) == (
        f"{path}: its 50 x 50 x 50 voxels of 90 x 90 x 90 mm become 4500 x 4500 x 4500 voxels of 1 x 1 x 1 mm, which no"
        " scan has; correct the voxel size in its header"
    )
    monkeypatch.setattr(prepare, "free_memory", lambda: 10**9)
    path = write_nifti(
        tmp_path / "s.nii", np.zeros((50, 50, 50), np.int16), np.diag([20, 20, 20, 1])
    )
    with pytest.raises(MemoryError) as caught:
        preprocess_image(read_volume(path), PLAN, where=str(path))
    assert "which need 4.0 GB of memory and 1.0 GB are free; correct its header" in str(
        caught.value
    )


def _json_clicks(path: Path, number: int) -> None:
    path.write_text(json.dumps({"case_1": [[1, 2, 3]] * number}))


def _table_clicks(path: Path, number: int) -> None:
    path.write_text("case,i,j,k\n" + "case_1,1,2,3\n" * number)


def _objects(path: Path, number: int) -> None:
    path.write_text(
        "case,i,j,k,object,value\n" + "".join(f"case_1,1,2,3,a{n},1\n" for n in range(number))
    )


def _slicer_clicks(path: Path, number: int) -> None:
    half = [{"position": [1, 2, 3]}] * (number // 2)
    lists = [{"type": "Fiducial", "name": name, "controlPoints": half} for name in ("a", "neg")]
    path.write_text(json.dumps({"@schema": "", "markups": lists}))


def _slicer_lists(path: Path, number: int) -> None:
    names = ["a"] * (number // 100) + ["neg"] * (number // 100)
    points = [{"position": [1, 2, 3]}]
    lists = [{"type": "Fiducial", "name": name, "controlPoints": points} for name in names]
    path.write_text(json.dumps({"@schema": "", "markups": lists}))


def _fcsv_clicks(path: Path, number: int) -> None:
    path.write_text("# CoordinateSystem = LPS\n# columns = id,x,y,z\n" + "p,1,2,3\n" * number)


def _mitk_clicks(path: Path, number: int) -> None:
    point = "<point><x>1</x><y>2</y><z>3</z></point>"
    path.write_text(
        f"<point_set_file><point_set><time_series>{point * number}</time_series></point_set></point_set_file>"
    )


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("case_1.json", _json_clicks),
        ("case_1.csv", _table_clicks),
        ("case_1.tsv", _objects),
        ("case_1.mrk.json", _slicer_clicks),
        ("case_1.MRK.json", _slicer_lists),
        ("case_1.fcsv", _fcsv_clicks),
        ("case_1.mps", _mitk_clicks),
    ],
)
def test_a_file_of_far_too_many_clicks_is_refused_at_once(tmp_path: Path, name: str, write) -> None:
    path = tmp_path / name
    write(path, 200_000)
    began = time.monotonic()
    with pytest.raises(PromptError) as caught:
        read_prompts(path)
    assert time.monotonic() - began < 10
    assert len(str(caught.value)) < 300 + len(str(path))
    assert "more than 1000 clicks on one scan; is this a file of clicks?" in str(caught.value)


def test_a_thousand_clicks_are_read_in_every_format(tmp_path: Path) -> None:
    for name, write in (("case_1.json", _json_clicks), ("case_1.csv", _table_clicks)):
        write(tmp_path / name, 1000)
        assert len(read_prompts(tmp_path / name)["case_1"]) == 1000


@pytest.mark.slow
def test_a_file_of_far_too_many_cases_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.json"
    path.write_text(json.dumps({f"c{number}": [1, 2, 3] for number in range(100_001)}))
    with pytest.raises(PromptError, match="clicks for more than 100000 cases"):
        read_prompts(path)
    path = tmp_path / "points.csv"
    path.write_text("case,i,j,k\n" + "".join(f"c{number},1,2,3\n" for number in range(100_001)))
    with pytest.raises(PromptError, match="clicks for more than 100000 cases"):
        read_prompts(path)


def test_of_many_cases_without_a_scan_the_first_ten_are_shown(dataset: Path) -> None:
    points = dataset.parent / "points.json"
    points.write_text(json.dumps({f"none_{number}": [1, 2, 3] for number in range(3000)}))
    done = run(predict_app, "-i", dataset / "imagesTr", "-p", points, "--root", dataset.parent)
    assert done.exit_code == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 11
    assert lines[0].startswith(
        f"error: {points}: case none_0 has no scan in {dataset / 'imagesTr'}"
    )
    assert lines[10] == (
        f"error: {points}: 2990 more cases cannot be predicted; correct those above first"
    )


def test_many_things_are_listed_as_the_first_ten_and_a_count() -> None:
    assert listed([]) == ""
    assert listed(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert listed(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert listed(["x" * 1000, "a\nb"], 1) == f"{'x' * 100}... and 1 more"


def _fifo(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("make", [_fifo, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("part", ["imagesTr", "labelsTr"])
def test_a_pipe_or_device_in_a_dataset_is_refused(dataset: Path, part: str, make) -> None:
    path = dataset / part / "ball_002.nii.gz"
    path.unlink()
    make(path)
    done = run(preprocess_app, "98", "--root", dataset.parent, "--workers", "0")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {dataset}: 1 of 6 cases cannot be used (table above)")
    assert f"ball_002  error     {part}/ball_002.nii.gz: a pipe or " in done.stdout


def test_a_pipe_instead_of_a_scan_a_click_file_or_a_json_file_is_refused(dataset: Path) -> None:
    scan = _fifo(dataset / "imagesTr" / "pipe.nii.gz")
    message = "a pipe, socket or device, not a file; check its permissions and the disk"
    with pytest.raises(VolumeError, match=message):
        read_volume(scan)
    header = dataset / "scan.nrrd"
    header.write_bytes(
        b"NRRD0004\ntype: short\ndimension: 3\nsizes: 4 4 4\nencoding: raw\nendian: little\ndata file: pipe\n\n"
    )
    _fifo(dataset / "pipe")
    with pytest.raises(VolumeError, match="a pipe, socket or device"):
        read_volume(header)
    with pytest.raises(PromptError, match=r"not readable \(a pipe, socket or device, not a file\)"):
        read_prompts(_fifo(dataset / "case_1.csv"))
    with pytest.raises(PlanError, match=r"not readable \(a pipe, socket or device, not a file\)"):
        load_json(_fifo(dataset / "dataset.json"))


def test_a_folder_listed_as_a_label_is_refused_in_one_line(dataset: Path) -> None:
    def change(content: dict) -> None:
        content["training"][0] = {"image": "./imagesTr/ball_001.nii.gz", "label": "./labelsTr"}

    edit_json(dataset / "dataset.json", change)
    done = run(preprocess_app, "98", "--root", dataset.parent, "--workers", "0")
    assert done.exit_code == 1
    assert "labelsTr: a folder; a label is one file" in done.stdout
    assert len(done.stderr.splitlines()) == 1


def test_a_name_given_twice_among_300000_is_found_at_once(tmp_path: Path) -> None:
    path = tmp_path / "points.json"
    names = [f'"c{number}": [1, 2, 3]' for number in range(300_000)]
    path.write_text(f"{{{', '.join([*names, names[-1]])}}}")
    began = time.monotonic()
    with pytest.raises(PromptError, match="'c299999' is named twice"):
        read_prompts(path)
    (tmp_path / "points.csv").write_text(",".join(["i", "j", "k", *["x"] * 300_000]) + "\n")
    with pytest.raises(PromptError, match="more than 100 columns; is this a table"):
        read_prompts(tmp_path / "points.csv")
    assert time.monotonic() - began < 20
