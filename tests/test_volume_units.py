"""Lengths in other units than millimetres are converted, questioned or refused, in every format that names a unit."""

import gzip
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.errors import VolumeError
from promise_cli.geometry.grid import Grid
from promise_cli.volume import (
    open_stored,
    read_grid,
    read_label,
    read_volume,
    size_question,
    write_mask,
    write_probabilities,
)
from tests.conftest import affine_of, write_nifti
from tests.scans import write_itk

ARRAY = np.random.default_rng(0).integers(-1000, 1000, (30, 28, 12)).astype(np.int16)
AFFINE = affine_of("LPS", (2.0, 2.5, 5.0), (-101.25, 33.5, 7.125))
MM = {"um": 1e-3, "cm": 10.0, "m": 1000.0}
CASES = [
    (name, unit)
    for name in ("a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.mhd")
    for unit in MM
    if not (unit == "cm" and ".nii" in name)  # NIfTI has no centimetres
    if not (unit == "m" and ".mh" in name)  # MetaImage has no metres
]


def _scan(path: Path, unit: str, factor: float, array: np.ndarray = ARRAY) -> Path:
    """Write the scan with its lengths in a unit of `factor` mm, and name the unit in the header."""
    affine = np.diag([1 / factor] * 3 + [1]) @ AFFINE
    if ".nii" in path.name:
        image = nib.Nifti1Image(array, affine)
        image.set_sform(affine, 1)
        image.set_qform(affine, 1)
        image.header.set_xyzt_units({"um": "micron", "m": "meter"}[unit], "sec")
        nib.save(image, path)
        return path
    write_itk(path, array, affine)
    header, end, rest = _split(path)
    line = (
        f"DistanceUnits = {unit}\n"
        if ".mh" in path.name
        else f'space units: "{unit}" "{unit}" "{unit}"\n'
    )
    path.write_bytes(header + line.encode() + end + rest)
    return path


def _split(path: Path) -> tuple[bytes, bytes, bytes]:
    return path.read_bytes().partition(
        b"ElementDataFile" if ".mh" in path.name else b"space origin"
    )


@pytest.mark.parametrize(("name", "unit"), CASES)
def test_lengths_in_other_units_become_millimetres(tmp_path: Path, name: str, unit: str) -> None:
    path = _scan(tmp_path / name, unit, MM[unit])
    scan = read_volume(path, "as_stored")
    np.testing.assert_allclose(scan.grid.affine, AFFINE, rtol=1e-6)
    np.testing.assert_allclose(scan.exact_spacing, (2, 2.5, 5), rtol=1e-6)
    np.testing.assert_array_equal(scan.array, ARRAY)
    assert scan.notes == (
        f"the header's unit is {unit}; its numbers were converted to millimetres, to voxels of 2 x 2.5 x 5 mm",
    )
    np.testing.assert_allclose(read_grid(path).affine, AFFINE, rtol=1e-6)
    assert size_question(scan.grid) == ()


@pytest.mark.parametrize(("name", "unit"), [case for case in CASES if case[0] != "a.mhd"])
def test_a_mask_has_the_numbers_and_the_unit_of_its_scan(
    tmp_path: Path, name: str, unit: str
) -> None:
    path = _scan(tmp_path / name, unit, MM[unit])
    scan, mask = read_volume(path), tmp_path / f"mask_{name}"
    write_mask(scan.array > 0, scan, mask)
    written = read_label(mask)
    np.testing.assert_array_equal(written.array, scan.array > 0)
    assert written.grid.is_that_of(scan.grid)
    assert written.unit == scan.unit
    np.testing.assert_allclose(_numbers(mask), _numbers(path), rtol=1e-6)
    write_probabilities(np.abs(scan.array) / 1000, scan, tmp_path / "p.nii.gz")
    assert read_grid(tmp_path / "p.nii.gz").is_that_of(scan.stored_grid)


def _numbers(path: Path) -> np.ndarray:
    """Return the numbers of the header that are lengths, as the file stores them."""
    if ".nii" in path.name:
        header = nib.load(path).header
        assert header.get_xyzt_units()[1] == "sec"
        return np.concatenate([header.get_sform(), header.get_qform()]).ravel()
    lines = re.findall(
        rb"(?m)^(?:space directions|ElementSpacing|space origin|Offset)\b.*", path.read_bytes()
    )
    return np.array([float(word) for line in lines for word in re.findall(rb"-?\d[\d.e+-]*", line)])


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_a_nifti_mask_of_a_scan_in_another_format_is_in_millimetres(
    tmp_path: Path, name: str
) -> None:
    scan = read_volume(_scan(tmp_path / name, "cm", 10.0))
    write_mask(scan.array > 0, scan, tmp_path / "mask.nii.gz")
    image = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(image.affine, AFFINE, rtol=1e-6)
    assert image.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize(
    ("name", "unit", "field"),
    [
        ("a.nrrd", "um", "space units"),
        ("a.mha", "um", "DistanceUnits"),
        ("a.nii.gz", "um", "xyzt_units"),
    ],
)
def test_a_unit_that_fits_no_scan_is_refused(
    tmp_path: Path, name: str, unit: str, field: str
) -> None:
    """The numbers are millimetres, although the header says micrometres."""
    path = _scan(tmp_path / name, unit, 1.0)
    with pytest.raises(VolumeError) as caught:
        read_volume(path)
    assert str(caught.value) == (
        f"{path}: the header's field '{field}' says um, but then the scan is 0.06 x 0.07 x 0.06 mm wide"
        " (60 x 70 x 60 mm if its numbers are millimetres); correct the unit in the header"
    )


def test_metres_that_are_millimetres_are_refused_too(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="says m, but then the scan is 60000 x 70000 x 60000 mm"):
        read_grid(_scan(tmp_path / "a.nii.gz", "m", 1.0))


def test_the_units_of_the_axes_of_a_nrrd_file_are_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(
        b"NRRD0004\r\ntype: short\r\ndimension: 3\r\nsizes: 30 28 12\r\nspacings: 0.2 0.25 0.5\r\n"
        b'units: "cm" "cm" "cm"\r\nencoding: raw\r\nendian: little\r\n\r\n' + ARRAY.T.tobytes()
    )
    assert read_grid(path).spacing == pytest.approx((2, 2.5, 5))
    path = _scan(path, "cm", 10.0)
    text = path.read_bytes()
    path.write_bytes(text.replace(b'"cm" "cm" "cm"', b'"centimeters" "Centimetre" "cm"'))
    np.testing.assert_allclose(read_grid(path).affine, AFFINE, rtol=1e-6)
    path.write_bytes(text.replace(b'"cm" "cm" "cm"', b'"cm" "mm" "cm"'))
    with pytest.raises(
        VolumeError, match=r"'space units' gives its axes different units \(cm, mm, cm\); write"
    ):
        read_grid(path)


@pytest.mark.parametrize("unit", ["", "mm", "none", "???", "Millimeter"])
def test_millimetres_and_no_unit_need_no_note(tmp_path: Path, unit: str) -> None:
    assert open_stored(_scan(tmp_path / "a.nrrd", unit, 1.0)).notes == ()


def test_a_unit_that_is_no_known_length_is_noted(tmp_path: Path) -> None:
    note = "gives the unit '{}', which is not a known length; its numbers are read as mm"
    (found,) = open_stored(_scan(tmp_path / "a.nrrd", "furlong", 1.0)).notes
    assert found == f"the header's field 'space units' {note.format('furlong')}"
    path = write_nifti(tmp_path / "a.nii.gz", ARRAY, AFFINE)
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[123] = 0xFF
    path.write_bytes(gzip.compress(bytes(content)))
    (found,) = open_stored(path).notes
    assert found == f"the header's field 'xyzt_units' {note.format('code 7')}"


@pytest.mark.parametrize(
    ("spacing", "shape", "question"),
    [
        (0.0009, (512, 512, 90), "the scan is 0.4608 x 0.4608 x 0.081 mm wide, where scans are 20 mm to 3 m; are the"
         " numbers in the header m instead of mm?"),
        (0.9, (20, 20, 9), "the scan is 18 x 18 x 8.1 mm wide, where scans are 20 mm to 3 m; are the numbers in the"
         " header cm instead of mm?"),
        (0.05, (20, 20, 9), "the scan is 1 x 1 x 0.45 mm wide, where scans are 20 mm to 3 m; are the numbers in the"
         " header m instead of mm?"),
        (90.0, (400, 400, 90), "the scan is 36000 x 36000 x 8100 mm wide, where scans are 20 mm to 3 m; are the"
         " numbers in the header um instead of mm?"),
        (9.0, (400, 400, 90), "the scan is 3600 x 3600 x 810 mm wide, where scans are 20 mm to 3 m; is its spacing"
         " right?"),
        (0.8, (26, 2, 2), None),
        (5.0, (600, 2, 2), None),
    ],
)  # fmt: skip
def test_a_scan_of_an_unlikely_size_is_questioned(
    spacing: float, shape: tuple[int, int, int], question: str | None
) -> None:
    grid = Grid(shape, np.diag([spacing, spacing, spacing, 1.0]))
    assert size_question(grid) == (() if question is None else (question,))
