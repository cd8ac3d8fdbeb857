"""Files and masks that are given by mistake are named for what they are."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.cli import preprocess_app
from promise_cli.errors import PromptError, VolumeError
from promise_cli.predict.inputs import gather_inputs
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.volume import read_volume
from tests.conftest import write_nifti
from tests.scans import write_dicom
from tests.test_cli import run

ARRAY = (np.arange(6 * 5 * 4) % 100).reshape(6, 5, 4).astype(np.int16)


def _write(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def _twice(path: Path) -> None:
    write_nifti(path, ARRAY, np.eye(4))
    path.write_bytes(gzip.compress(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        (
            "scan.nii.gz",
            _write(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 12\n"),
            "a pointer of Git LFS instead of the file; fetch the file with git lfs pull",
        ),
        (
            "scan.nrrd",
            _write(b"/annex/objects/MD5E-s1--1.nrrd\n"),
            "a pointer of git-annex instead of the file; fetch the file with git annex get",
        ),
        (
            "scan.mha",
            _write(b"\n<!DOCTYPE html>\n<html><body>404"),
            "a web page instead of a scan (a failed download?); download it again",
        ),
        (
            "scan.nii.gz",
            _twice,
            "not readable as NIfTI (it is compressed twice); copy or export it again",
        ),
        ("scan.zip", _write(b"PK"), "an archive; unpack it, and give the scan or folder in it"),
        (
            "scan.img",
            _write(b"x"),
            "not a scan; scans and labels end in .nii.gz, .nii, .nrrd, .mha or .mhd, or are a folder of DICOM slices",
        ),
    ],
)
def test_a_file_that_is_no_scan_is_named_for_what_it_is(
    tmp_path: Path, name: str, make: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(VolumeError) as caught:
        read_volume(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("name", ["IM0.dcm", "IM0"])
def test_a_single_dicom_file_leads_to_its_folder(tmp_path: Path, name: str) -> None:
    folder = write_dicom(tmp_path / "scan", ARRAY, np.eye(4), names={0: "IM0.dcm", 1: "IM1.dcm"})
    (folder / "IM0.dcm").rename(folder / name)
    with pytest.raises(VolumeError) as caught:
        read_volume(folder / name)
    assert str(caught.value) == (
        f"{folder / name}: a single DICOM file; give the folder of the slices, {folder}"
    )


def test_slices_in_nested_folders_are_found_and_named(tmp_path: Path) -> None:
    series = write_dicom(tmp_path / "patient/study/series", ARRAY, np.eye(4))
    with pytest.raises(PromptError) as caught:
        gather_inputs(PredictRequest(images=tmp_path / "patient", auto=True))
    assert str(caught.value) == (
        f"{tmp_path}/patient: no scan in this folder; DICOM slices lie in {series}, so give that folder"
    )
    shutil.rmtree(series)
    with pytest.raises(PromptError, match="no scan in this folder; scans end in"):
        gather_inputs(PredictRequest(images=tmp_path / "patient", auto=True))


def test_a_label_with_target_and_background_swapped_is_questioned(dataset: Path) -> None:
    path = dataset / "labelsTr/ball_002.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(1 - np.asanyarray(image.dataobj), image.affine, image.header), path)
    done = run(preprocess_app, "98", "--root", dataset.parent, "--workers", "0")
    assert done.exit_code == 0
    assert (
        "  ball_002  warning   labelsTr/ball_002.nii.gz: the target fills 96% of the scan: are target and background"
        " swapped?\n"
    ) in done.stdout
