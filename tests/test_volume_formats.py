"""The same scan gives the same array and affine in every format."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.volume import (
    case_id,
    find_volumes,
    read_grid,
    read_label,
    read_volume,
    volume_files,
    write_mask,
)
from tests.conftest import OBLIQUE, affine_of, write_nifti
from tests.scans import write_dicom, write_itk

AXES = ("RAS", "LPS", "PIR", "SAL", "LAI", "IPR")
ARRAY = np.random.default_rng(0).integers(-1000, 1000, (7, 6, 5)).astype(np.int16)
AFFINE = affine_of("LPS", (0.7, 0.8, 2.5), (-101.25, 33.5, 7.125))


def _turned(axes: str, oblique: bool) -> np.ndarray:
    left, _, right = np.linalg.svd(OBLIQUE[:3, :3])
    turn = np.eye(4)
    turn[:3, :3] = left @ right if oblique else np.eye(3)
    return turn @ affine_of(axes, (0.7, 0.8, 2.5), (-101.25, 33.5, 7.125))


def _write(path: Path, affine: np.ndarray) -> Path:
    if path.suffix in (".nrrd", ".mha", ".mhd"):
        return write_itk(path, ARRAY, affine)
    if path.suffix:
        return write_nifti(path, ARRAY, affine)
    return write_dicom(path, ARRAY, affine)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nrrd", "scan.mha", "scan.mhd", "scan"])
@pytest.mark.parametrize("oblique", [False, True], ids=["straight", "oblique"])
@pytest.mark.parametrize("axes", AXES)
def test_every_format_gives_the_same_array_and_affine(
    tmp_path: Path, axes: str, oblique: bool, name: str
) -> None:
    affine = _turned(axes, oblique)
    expected = read_volume(write_nifti(tmp_path / "nifti" / "scan.nii.gz", ARRAY, affine))
    path = _write(tmp_path / name, affine)
    found = read_volume(path)
    assert (found.array.dtype, found.notes) == (np.float32, ())
    np.testing.assert_array_equal(found.array, expected.array)
    np.testing.assert_allclose(found.grid.affine, expected.grid.affine, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(read_grid(path).affine, found.stored_grid.affine)
    mask = tmp_path / "mask.nii.gz"
    write_mask(found.array > 0, found, mask)
    np.testing.assert_array_equal(read_volume(mask).array, expected.array > 0)
    np.testing.assert_allclose(nib.load(mask).affine, found.stored_grid.affine, atol=1e-5)


def test_a_label_is_read_from_nrrd_and_metaimage_as_whole_numbers(tmp_path: Path) -> None:
    label = (ARRAY > 0).astype(np.uint8) * 3
    for name in ("label.seg.nrrd", "label.mha"):
        read = read_label(write_itk(tmp_path / name, label, AFFINE), "as_stored")
        assert read.array.dtype == np.uint8
        np.testing.assert_array_equal(read.array, label)


def test_each_slice_of_dicom_has_its_own_rescale_slope(tmp_path: Path) -> None:
    write_dicom(tmp_path / "scan", ARRAY, AFFINE, rescale=[(1, -1024), (0.5, 3)])
    expected = ARRAY.astype(np.float32)
    expected[:, :, 0::2] -= 1024
    expected[:, :, 1::2] = expected[:, :, 1::2] * 0.5 + 3
    nifti = read_volume(write_nifti(tmp_path / "scan.nii", expected, AFFINE))
    np.testing.assert_array_equal(read_volume(tmp_path / "scan").array, nifti.array)


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nrrd", "scan"])
def test_sheared_axes_are_read_with_their_angle_and_kept(tmp_path: Path, name: str) -> None:
    """The gantry is tilted by 13.5 degrees, so that each slice is shifted by 0.6 mm from the one 2.5 mm below it."""
    affine = AFFINE.copy()
    affine[1, 2] = 0.6
    path = tmp_path / name
    if name == "scan.nrrd":  # SimpleITK cannot write sheared axes
        header = (
            "NRRD0004\ntype: short\ndimension: 3\nspace: right-anterior-superior\nsizes: 7 6 5\n"
            f"space directions: ({affine[0, 0]},0,0) (0,{affine[1, 1]},0) (0,0.6,2.5)\n"
            f"kinds: domain domain domain\nspace origin: ({affine[0, 3]},{affine[1, 3]},{affine[2, 3]})\n"
            "endian: little\nencoding: raw\n\n"
        )
        path.write_bytes(header.encode() + ARRAY.T.tobytes())
    else:
        _write(path, affine)
    scan = read_volume(path)
    assert scan.notes == (
        "axes differ from right angles by 13.50 degrees (a tilted gantry?); the affine is kept as it is",
    )
    np.testing.assert_allclose(scan.grid.world((2, 3, 4)), affine[:3] @ _back(scan, (2, 3, 4)))
    write_mask(scan.array > 0, scan, tmp_path / "mask.nii.gz")
    written = read_volume(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(written.grid.affine, scan.grid.affine, atol=1e-5)
    np.testing.assert_array_equal(written.array, scan.array > 0)


def _back(scan, ijk: tuple) -> np.ndarray:
    """Return the voxel of the written array as (i, j, k, 1), from its voxel in the array that was read."""
    i, j, k = ijk
    return np.array([6 - i, 5 - j, k, 1]) if scan.grid.affine[0, 0] > 0 else np.array([i, j, k, 1])


def test_other_files_next_to_the_slices_are_ignored(tmp_path: Path) -> None:
    folder = write_dicom(tmp_path / "scan", ARRAY, AFFINE)
    (folder / "README.txt").write_text("hello")
    (folder / "._IM0001.dcm").write_bytes(b"\0")
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    assert read_volume(folder).array.shape == ARRAY.shape


def test_scans_of_a_folder_are_found_in_every_format(tmp_path: Path) -> None:
    names = ("a.nrrd", "b.mha", "c_0000.nii.gz", "d.seg.nrrd", "e.MHD", "notes.txt", ".f.nii")
    for name in names:
        (tmp_path / name).write_text("")
    (tmp_path / "no_scan").mkdir()
    write_dicom(tmp_path / "g_0000", ARRAY, AFFINE, names={0: "without_suffix"})
    assert list(find_volumes(tmp_path)) == ["a", "b", "c", "d", "e", "g"]
    assert find_volumes(tmp_path / "g_0000") == {"g": tmp_path / "g_0000"}
    assert case_id(Path("1.2.840.dicom_0000")) == "1.2.840.dicom"


def test_the_files_that_belong_to_a_scan_are_listed(tmp_path: Path) -> None:
    assert volume_files(tmp_path / "none.nii.gz") == [tmp_path / "none.nii.gz"]
    scan = write_itk(tmp_path / "scan.mhd", ARRAY, AFFINE)
    assert volume_files(scan) == [scan, tmp_path / "scan.raw"]
    folder = write_dicom(tmp_path / "scan", ARRAY, AFFINE)
    assert len(volume_files(folder)) == ARRAY.shape[2]


def test_the_voxels_of_a_detached_nrrd_belong_to_its_files(tmp_path: Path) -> None:
    path, data = tmp_path / "a.nrrd", tmp_path / "b.raw"
    path.write_text(
        "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 1 1 1\nencoding: raw\ndata file: b.raw\n"
    )
    data.write_bytes(b"0")
    assert volume_files(path) == [path, data]
