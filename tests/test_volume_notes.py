"""Oddities of a header that need no correction are read, and noted if a user should know them.

The notes on units are in `test_volume_units.py`.
"""

import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.volume import open_stored, read_label, read_volume, write_mask
from tests.conftest import affine_of, write_nifti
from tests.scans import write_itk


def _notes(tmp_path: Path, *, unit: str = "mm", qform: np.ndarray | None = None) -> tuple[str, ...]:
    affine = affine_of("LPS", (1, 1, 2), (5, 6, 7))
    image = nib.Nifti1Image(np.zeros((8, 9, 10), np.int16), affine)
    image.set_sform(affine, 1)
    image.set_qform(affine if qform is None else qform, 1)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "scan.nii.gz")
    return read_volume(tmp_path / "scan.nii.gz").notes


@pytest.mark.parametrize("slope", [1, 2])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dims", [(4, 0), (5, 0, 0), (5, 1, 0)])
def test_a_fourth_axis_of_length_zero_means_a_3d_scan(
    tmp_path: Path, dims: tuple, suffix: str, slope: int
) -> None:
    array = np.arange(7 * 6 * 5, dtype=np.int16).reshape(7, 6, 5)
    plain = write_nifti(tmp_path / "plain.nii", array, np.diag([0.8, 0.9, 2, 1]))
    content = bytearray(plain.read_bytes())
    struct.pack_into("<f", content, 112, slope)
    struct.pack_into("<h", content, 40, dims[0])
    for number, length in enumerate(dims[1:]):
        struct.pack_into("<h", content, 48 + 2 * number, length)
    path = tmp_path / f"odd{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    found = read_volume(path)
    np.testing.assert_array_equal(found.array, slope * array.astype(np.float32))
    assert found.exact_spacing == read_volume(plain).exact_spacing
    mask = tmp_path / "mask.nii.gz"
    write_mask(found.array > 3, found, mask)
    assert nib.load(mask).shape == (7, 6, 5)
    np.testing.assert_array_equal(read_label(mask, like=found).array, found.array > 3)


def test_a_plain_header_needs_no_note(tmp_path: Path) -> None:
    assert _notes(tmp_path) == ()
    assert _notes(tmp_path, unit="unknown") == ()


def test_a_qform_that_differs_from_the_sform_is_noted(tmp_path: Path) -> None:
    (note,) = _notes(tmp_path, qform=affine_of("RAS", (1, 1, 2), (5, 6, 7)))
    assert note.startswith("sform and qform differ by up to ")
    assert note.endswith(" mm; the sform is used, other programs may use the qform")


ORIENTATION = "with the scan's orientation; left and right are a guess"


@pytest.mark.parametrize(
    ("name", "field", "notes"),
    [
        ("a.mha", "ElementSpacing",
         ("the header has no field 'ElementSpacing'; voxels of 1 x 1 x 1 mm are a guess",)),
        ("a.mha", "TransformMatrix", (f"the header has no field 'TransformMatrix' {ORIENTATION}",)),
        ("a.nrrd", "space directions",
         ("the header gives a spacing for 0 axes of 3; the spacing of the others, 1 mm, is a guess",)),
    ],
)  # fmt: skip
def test_a_field_that_the_reader_replaces_by_a_guess_is_noted(
    tmp_path: Path, name: str, field: str, notes: tuple[str, ...]
) -> None:
    path = write_itk(tmp_path / name, np.zeros((8, 9, 10), np.int16), np.eye(4))
    content = path.read_bytes()
    at = content.index(field.encode())
    path.write_bytes(content[:at] + content[content.index(b"\n", at) + 1 :])
    assert open_stored(path).notes == notes


@pytest.mark.parametrize(
    ("lines", "known"),
    [
        ("space: LPS\nspace directions: (0.7,0,0) (0,0.8,0) none", 2),
        ("spacings: 0.7 nan 2.5", 2),
        ("thicknesses: nan nan 5", 0),
        ("spacings: 0.7 0.8 2.5", 3),
    ],
)
def test_a_nrrd_axis_without_a_spacing_is_noted(tmp_path: Path, lines: str, known: int) -> None:
    head = f"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 3 4\nencoding: raw\n{lines}\n\n"
    (tmp_path / "a.nrrd").write_bytes(head.encode() + bytes(24))
    notes = open_stored(tmp_path / "a.nrrd").notes
    note = f"the header gives a spacing for {known} axes of 3; the spacing of the others, 1 mm, is a guess"
    assert (note in notes) == (known < 3)
