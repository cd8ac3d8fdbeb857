"""Scans of any orientation are read in one axis order, and masks are written on the scan's own grid."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.errors import VolumeError
from promise_cli.geometry.grid import Grid
from promise_cli.volume import case_id, find_volumes, read_grid, read_label, read_volume, write_mask
from tests.conftest import OBLIQUE, affine_of, write_nifti

ALL_AXES = [
    "".join(letters)
    for order in itertools.permutations(["RL", "AP", "SI"])
    for letters in itertools.product(*order)
]


def test_there_are_48_orientations() -> None:
    assert len(set(ALL_AXES)) == 48


@pytest.mark.parametrize("oblique", [False, True], ids=["straight", "oblique"])
@pytest.mark.parametrize("axes", ALL_AXES)
def test_a_mask_has_the_shape_and_affine_of_its_scan(
    tmp_path: Path, axes: str, oblique: bool
) -> None:
    affine = affine_of(axes, (0.7, 0.8, 2.5), (-101.25, 33.5, 7.125))
    affine = OBLIQUE @ affine if oblique else affine
    array = np.random.default_rng(0).integers(0, 2, (5, 6, 7)).astype(np.int16)
    path = write_nifti(tmp_path / "scan.nii.gz", array, affine)
    scan = read_volume(path)
    assert nib.aff2axcodes(scan.grid.affine) == ("R", "A", "S")
    write_mask(scan.array > 0, scan, tmp_path / "mask.nii.gz")
    mask, original = nib.load(tmp_path / "mask.nii.gz"), nib.load(path)
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj), array)
    np.testing.assert_allclose(mask.affine, original.affine, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(mask.get_sform(), original.get_sform())
    np.testing.assert_allclose(mask.get_qform(), original.get_qform(), rtol=0, atol=1e-6)
    assert mask.get_data_dtype() == np.uint8
    assert mask.header.get_xyzt_units() == original.header.get_xyzt_units()


def test_a_voxel_keeps_its_place_in_the_world_when_axes_are_turned(tmp_path: Path) -> None:
    for axes in ALL_AXES:
        array = np.zeros((5, 6, 7), dtype=np.int16)
        array[1, 2, 3] = 9
        affine = OBLIQUE @ affine_of(axes, (0.7, 0.8, 2.5), (1.0, 2.0, 3.0))
        scan = read_volume(write_nifti(tmp_path / "scan.nii", array, affine))
        there = np.argwhere(scan.array == 9)[0]
        np.testing.assert_allclose(
            scan.grid.world(there), scan.stored_grid.world((1, 2, 3)), atol=1e-4
        )


def test_as_stored_keeps_the_axes_of_the_file(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    path = write_nifti(tmp_path / "scan.nii.gz", array, affine_of("PIR", (1, 2, 3), (0, 0, 0)))
    np.testing.assert_array_equal(read_volume(path, "as_stored").array, array)


@pytest.mark.parametrize(("sform_code", "qform_code"), [(0, 0), (0, 1), (2, 0), (1, 1)])
def test_codes_of_sform_and_qform_are_kept(
    tmp_path: Path, sform_code: int, qform_code: int
) -> None:
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.diag([-0.5, 0.5, 2, 1]))
    image.header.set_sform(image.affine if sform_code else None, sform_code)
    image.header.set_qform(image.affine if qform_code else None, qform_code)
    stored = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), None, image.header)
    nib.save(stored, tmp_path / "scan.nii.gz")
    scan = read_volume(tmp_path / "scan.nii.gz")
    write_mask(scan.array > 0, scan, tmp_path / "mask.nii.gz")
    mask, original = nib.load(tmp_path / "mask.nii.gz"), nib.load(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(mask.affine, original.affine)
    assert (int(mask.header["sform_code"]), int(mask.header["qform_code"])) == (
        int(original.header["sform_code"]),
        int(original.header["qform_code"]),
    )


def test_the_scaling_of_the_header_applies_to_the_scan_and_not_to_the_mask(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.full((3, 3, 3), 10, np.int16), np.eye(4))
    image.header.set_slope_inter(2.0, -1024.0)
    nib.save(image, tmp_path / "scan.nii.gz")
    scan = read_volume(tmp_path / "scan.nii.gz")
    expected = float(np.asanyarray(nib.load(tmp_path / "scan.nii.gz").dataobj).flat[0])
    assert scan.array.dtype == np.float32
    assert scan.array[0, 0, 0] == expected
    write_mask(np.ones((3, 3, 3), bool), scan, tmp_path / "mask.nii.gz")
    assert np.asanyarray(nib.load(tmp_path / "mask.nii.gz").dataobj).flat[0] == 1


def test_a_label_keeps_its_whole_numbers(tmp_path: Path) -> None:
    array = np.array([[[0, 2], [300, 1]]], dtype=np.float32)
    label = read_label(write_nifti(tmp_path / "label.nii.gz", array, np.eye(4)))
    assert np.issubdtype(label.array.dtype, np.integer)
    np.testing.assert_array_equal(label.array, array)


def test_a_fourth_axis_of_one_channel_is_dropped(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii.gz", np.ones((3, 4, 5, 1), np.int16), np.eye(4))
    assert read_volume(path).array.shape == (3, 4, 5)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_bad_file_is_refused_in_one_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    good = write_nifti(tmp_path / "good.nii.gz", rng.normal(size=(20, 20, 20)), np.eye(4))
    missing = tmp_path / "missing.nii.gz"
    truncated = tmp_path / "truncated.nii.gz"
    truncated.write_bytes(good.read_bytes()[:4000])
    raw = write_nifti(tmp_path / "raw.nii", rng.normal(size=(20, 20, 20)), np.eye(4))
    _truncate(raw)
    text = tmp_path / "text.nii.gz"
    text.write_text("not a scan")
    empty = tmp_path / "empty.nii"
    empty.write_bytes(b"")
    four = write_nifti(tmp_path / "four.nii.gz", np.zeros((3, 3, 3, 2), np.int16), np.eye(4))
    flat = write_nifti(tmp_path / "flat.nii.gz", np.zeros((3, 3), np.int16), np.eye(4))
    nan = np.zeros((3, 3, 3), np.float32)
    nan[1, 1, 1] = np.nan
    cases = [
        (missing, "no such file"),
        (truncated, "truncated or damaged"),
        (raw, "truncated or damaged"),
        (text, "not readable as NIfTI"),
        (empty, "not readable as NIfTI"),
        (four, "expected a 3D scan with one channel, found 3 x 3 x 3 x 2"),
        (flat, "expected a 3D scan with one channel, found 3 x 3"),
        (write_nifti(tmp_path / "nan.nii.gz", nan, np.eye(4)), "1 voxel is NaN or infinite"),
        (tmp_path / "scan.png", "no such file"),
    ]
    for path, message in cases:
        with pytest.raises(VolumeError) as caught:
            read_volume(path)
        assert str(caught.value).startswith(f"{path}: {message}"), str(caught.value)
    with pytest.raises(VolumeError, match=r"a label must hold whole numbers, found 0\.5"):
        read_label(write_nifti(tmp_path / "half.nii.gz", np.full((2, 2, 2), 0.5), np.eye(4)))


def test_an_affine_of_zero_volume_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flat.nii.gz"
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4))
    image.header.set_sform(np.diag([1, 1, 0, 1]), 1)
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), None, image.header), path)
    with pytest.raises(VolumeError, match="cannot be inverted; repair the header"):
        read_grid(path)


def test_case_ids_drop_suffix_and_channel(tmp_path: Path) -> None:
    assert case_id(Path("a/liver_3_0000.nii.gz")) == "liver_3"
    assert case_id(Path("liver_3.nii")) == "liver_3"
    for name in ("b.nii.gz", "._b.nii.gz", "a_0000.nii.gz", "notes.txt", ".tmp-1-c.nii.gz"):
        (tmp_path / name).write_text("")
    assert list(find_volumes(tmp_path)) == ["a", "b"]
    (tmp_path / "b.nii").write_text("")
    with pytest.raises(VolumeError, match=r"the same case as b\.nii; keep one of the two"):
        find_volumes(tmp_path)


def test_the_distance_of_two_grids_is_that_of_their_corners() -> None:
    grid = Grid((11, 11, 11), np.eye(4))
    moved = np.eye(4)
    moved[0, 3] = 0.5
    assert grid.distance_mm(Grid((11, 11, 11), moved)) == pytest.approx(0.5)
    assert grid.distance_mm(Grid((11, 11, 11), np.diag([1.1, 1, 1, 1]))) == pytest.approx(1.0)
    assert grid.distance_mm(Grid((10, 11, 11), np.eye(4))) == float("inf")


def test_voxel_to_world_and_back_gives_the_same_voxel() -> None:
    grid = Grid((9, 9, 9), OBLIQUE @ affine_of("PIR", (0.7, 0.8, 2.5), (4.0, -5.0, 6.0)))
    ijk = np.random.default_rng(0).uniform(-5, 15, (20, 3))
    np.testing.assert_allclose(grid.ijk(grid.world(ijk)), ijk, atol=1e-9)
    np.testing.assert_allclose(grid.spacing, (0.7, 0.8, 2.5), atol=1e-3)
    assert grid.contains((-0.5, 0, 8.49))
    assert not grid.contains((0, 0, 8.5))
    assert not grid.contains((-0.51, 0, 0))


def test_a_flipped_bit_in_a_compressed_file_is_noticed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = write_nifti(
        tmp_path / "scan.nii.gz", rng.integers(0, 99, (20, 20, 20)).astype(np.int16), np.eye(4)
    )
    good = path.read_bytes()
    for place in (len(good) // 3, len(good) // 2, len(good) - 6):
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bad)
        with pytest.raises(
            VolumeError, match=r"scan\.nii\.gz: (truncated or damaged|not readable as NIfTI)"
        ):
            read_volume(path)
    path.write_bytes(good[:-3])
    with pytest.raises(VolumeError, match="truncated or damaged"):
        read_volume(path)


@pytest.mark.parametrize("dtype", [np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])])
def test_colours_and_complex_numbers_are_refused(tmp_path: Path, dtype) -> None:
    path = write_nifti(tmp_path / "scan.nii.gz", np.zeros((3, 3, 3), dtype), np.eye(4))
    for read in (read_volume, read_label, read_grid):
        with pytest.raises(VolumeError, match="not one number per voxel; convert it"):
            read(path)


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e20])
def test_a_label_with_infinite_nan_or_huge_values_is_refused_without_a_warning(
    tmp_path: Path, value: float
) -> None:
    array = np.zeros((3, 3, 3), np.float32)
    array[1, 1, 1] = value
    with pytest.raises(
        VolumeError, match="NaN, infinity or huge numbers; a label holds small whole numbers"
    ):
        read_label(write_nifti(tmp_path / "label.nii.gz", array, np.eye(4)))


@pytest.mark.parametrize("spacing", [(1000, 900, 1500), (1e-4, 1, 1)])
def test_a_spacing_in_other_units_is_refused(tmp_path: Path, spacing: tuple) -> None:
    path = write_nifti(
        tmp_path / "scan.nii.gz", np.zeros((3, 3, 3), np.int16), np.diag([*spacing, 1.0])
    )
    with pytest.raises(VolumeError, match="is impossible; correct the header's units"):
        read_grid(path)


def test_a_file_without_a_name_is_no_case(tmp_path: Path) -> None:
    write_nifti(tmp_path / "_0000.nii.gz", np.zeros((3, 3, 3), np.int16), np.eye(4))
    with pytest.raises(VolumeError, match="no name is left for the case; rename the file"):
        find_volumes(tmp_path)


def test_a_label_is_turned_as_its_scan_was(tmp_path: Path) -> None:
    """For a rotation of 45 degrees, a difference in the last digit decides which axis becomes which."""
    c = np.sqrt(0.5)
    affine = np.array([[c, -c, 0, 0], [c, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    scan = read_volume(write_nifti(tmp_path / "scan.nii.gz", np.zeros((4, 5, 6), np.int16), affine))
    for sign in (-1, 1):
        turned = affine.copy()
        turned[0, 0] += sign * 1e-6
        label = write_nifti(tmp_path / "label.nii.gz", np.zeros((4, 5, 6), np.uint8), turned)
        assert read_label(label, like=scan).array.shape == scan.array.shape
