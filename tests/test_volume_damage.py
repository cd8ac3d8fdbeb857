"""A damaged scan or label of any format is refused in one line that says what was found and what to do."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from promise_cli.errors import VolumeError
from promise_cli.volume import open_stored, read_grid, read_label, read_volume
from tests.conftest import affine_of, write_nifti
from tests.scans import itk_image, write_dicom, write_itk

ARRAY = np.random.default_rng(0).integers(-1000, 1000, (7, 6, 5)).astype(np.int16)
AFFINE = affine_of("LPS", (0.7, 0.8, 2.5), (-101.25, 33.5, 7.125))


def _missing_slices(path: Path) -> None:
    write_dicom(path, np.repeat(ARRAY, 2, axis=2), AFFINE, names=_names(0, 1, 2, 4, 5, 8, 9))


def _names(*slices: int) -> dict[int, str]:
    return {k: f"s{k}.dcm" for k in slices}


def _doubled_slice(path: Path) -> None:
    write_dicom(path, ARRAY, AFFINE, names=_names(*range(5)))
    write_dicom(path, ARRAY, AFFINE, names={3: "s3_copy.dcm"})


def _two_series(path: Path) -> None:
    write_dicom(path, ARRAY, AFFINE, series="1.2.3", description="lung", names=_names(0, 1, 2))
    write_dicom(path, ARRAY, AFFINE, series="1.2.4", description="bone", names={3: "x", 4: "y"})


def _scout(path: Path) -> None:
    write_dicom(path, ARRAY, AFFINE, names=_names(0, 1, 2))
    write_dicom(path, ARRAY, affine_of("PIR", (0.7, 0.8, 2.5), (0, 0, 0)), names={3: "scout.dcm"})


def _two_sizes(path: Path) -> None:
    write_dicom(path, ARRAY, AFFINE, names=_names(0, 1, 2))
    write_dicom(path, ARRAY[:5], AFFINE, names={3: "small.dcm"})


def _uneven(path: Path) -> None:
    write_dicom(path, ARRAY, AFFINE, names=_names(0, 1, 2, 3))
    moved = AFFINE.copy()
    moved[2, 3] += 0.5
    write_dicom(path, ARRAY, moved, names={4: "moved.dcm"})


def _torn_slice(path: Path) -> None:
    write_dicom(path, ARRAY, AFFINE, names=_names(*range(5)))
    torn = path / "s2.dcm"
    torn.write_bytes(torn.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.mkdir(),
         ": no DICOM slices in this folder; give a scan file or a folder of slices"),
        (_missing_slices,
         ": 3 of 10 slices are missing (the first between s2.dcm and s4.dcm, 5 mm apart instead of 2.5);"
         " export the series again"),
        (_doubled_slice, ": s3.dcm and s3_copy.dcm lie at the same place; keep one of the two"),
        (_two_series,
         ": holds 2 DICOM series (1.2.3 'lung' with 3 slices; 1.2.4 'bone' with 2 slices); keep one of them in"
         " the folder"),
        (_scout,
         ": slices of different spacing or direction (s0.dcm, scout.dcm; a scout view?); keep those of one kind"),
        (_two_sizes,
         ": slices of different size (s0.dcm of 7 x 6, small.dcm of 5 x 6); keep those of one kind"),
        (_uneven,
         ": the slices are unevenly spaced, up to 0.375 mm away from even steps of 2.5 mm; resample the scan to even"
         " steps"),
        (_torn_slice,
         "/s2.dcm: not readable as a DICOM slice (Cannot read requested file); export the series again or"
         " remove the file"),
    ],
)  # fmt: skip
def test_a_bad_dicom_folder_is_refused_in_one_line(tmp_path: Path, damage, message: str) -> None:
    damage(tmp_path / "scan")
    with pytest.raises(VolumeError) as caught:
        read_volume(tmp_path / "scan")
    assert str(caught.value) == f"{tmp_path / 'scan'}{message}"


def test_a_folder_as_label_is_refused(tmp_path: Path) -> None:
    folder = write_dicom(tmp_path / "case_1", ARRAY, AFFINE)
    with pytest.raises(
        VolumeError, match=r"a folder; a label is one file, such as case_1\.nii\.gz"
    ):
        read_label(folder)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)


def _respace(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(re.sub(rb"ElementSpacing = .*", b"ElementSpacing = -0.7 0.8 0", content))


def _header(name: str, value: str) -> Callable[[Path], object]:
    line, wanted = f"{name} = .*".encode(), f"{name} = {value}".encode()
    return lambda path: path.write_bytes(re.sub(line, wanted, path.read_bytes()))


def _picture(path: Path) -> None:
    """Replace the scan with a flat colour picture, such as a screenshot."""
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((5, 6, 3), np.uint8), isVector=True), str(path))


def _packed(path: Path) -> None:
    sitk.WriteImage(itk_image(ARRAY, AFFINE), str(path), useCompression=True)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("scan.mha", _cut, "truncated or damaged (320 of 420 bytes); copy or download it again"),
        ("scan.mha", _respace,
         "the header gives a voxel size of -0.7 x 0.8 x 0 mm, which is impossible; correct it"),
        ("packed.mha", _flip,
         "truncated or damaged (the compressed data are damaged); copy or download it"
         " again"),
        ("packed.mha", _cut, "truncated or damaged (the compressed data end too early); copy or download it again"),
        ("scan.mhd", lambda path: path.with_suffix(".raw").unlink(),
         "its voxels are in scan.raw, which is missing; add it"),
        ("scan.mha", lambda path: path.write_text("no scan"),
         "not readable as MetaImage (no NDims in the header); copy or export it again"),
        ("scan.mha", _header("DimSize", "4 -4 4"),
         "DimSize is '4 -4 4', where whole numbers above 0 are needed; repair the header"),
        ("scan.mha", _header("DimSize", "4 4.5 4"),
         "DimSize is '4 4.5 4', where whole numbers above 0 are needed; repair the header"),
        ("scan.mha", _header("DimSize", "4 4"), "DimSize holds 2 numbers for NDims = 3; repair the header"),
        ("scan.mha", _header("NDims", "x"),
         "NDims is 'x', where whole numbers above 0 are needed; repair the header"),
        ("scan.mha", _header("ElementSpacing", "1 one 1"),
         "ElementSpacing is '1 one 1', where numbers are needed; repair the header"),
        ("scan.mha", _header("Offset", "1,5 2 3"),
         "Offset is '1,5 2 3', where numbers are needed; repair the header"),
        ("scan.mha", _header("Offset", "1.5 2"),
         "Offset holds 2 numbers, where 3 are needed; repair the header"),
        ("scan.mha", _header("TransformMatrix", "1 0 0 0 1 0 0 0"),
         "TransformMatrix holds 8 numbers, where 9 are needed; repair the header"),
        ("scan.mha", _header("TransformMatrix", "1 0 0 0 1 0 0 0 1x"),
         "TransformMatrix is '1 0 0 0 1 0 0 0 1x', where numbers are needed; repair the header"),
        ("scan.mha", _header("ElementSpacing", "0.7 0.8 2.5 1"),
         "ElementSpacing holds 4 numbers, where 3 are needed; repair the header"),
        ("scan.mha", _header("BinaryData", ""),
         "BinaryData is '', where True or False is needed; repair the header"),
        ("scan.mha", _picture, "a 2D image of 6 x 5 pixels; give a 3D scan with one channel"),
        ("scan.nrrd", _picture, "a 2D image of 6 x 5 pixels; give a 3D scan with one channel"),
        ("scan.nrrd", lambda path: path.write_text("no scan"),
         "not readable as NRRD (it does not begin with NRRD); copy or export it again"),
        ("scan.nrrd", lambda path: path.write_text("NRRD0004\n\n"),
         "not readable as NRRD (didn't see required field: type); copy or export it again"),
        ("scan.nrrd", _flip,
         "truncated or damaged (the compressed data are damaged); copy or download it"
         " again"),
    ],
)  # fmt: skip
def test_a_bad_nrrd_or_metaimage_is_refused_in_one_line(
    tmp_path: Path, name: str, damage, message: str
) -> None:
    path = write_itk(tmp_path / name, ARRAY, AFFINE)
    if "packed" in name:
        _packed(path)
    damage(path)
    with pytest.raises(VolumeError) as caught:
        read_volume(path)
    assert str(caught.value).replace(f"{tmp_path}/", "") == f"{name}: {message}"


@pytest.mark.parametrize("name", ["scan.nrrd", "scan.mha"])
def test_more_channels_than_one_are_refused_and_one_is_read(tmp_path: Path, name: str) -> None:
    image = itk_image(ARRAY, AFFINE)
    for several in (sitk.JoinSeries([image, image]), sitk.Compose([image, image])):
        sitk.WriteImage(several, str(tmp_path / name))
        with pytest.raises(
            VolumeError, match="expected a 3D scan with one channel, found 7 x 6 x 5 x 2; extract"
        ):
            read_volume(tmp_path / name)
    sitk.WriteImage(sitk.JoinSeries([image]), str(tmp_path / name))
    np.testing.assert_array_equal(read_volume(tmp_path / name, "as_stored").array, ARRAY)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.nrrd", "scan.mha"])
def test_a_scan_far_from_the_origin_is_refused(tmp_path: Path, name: str) -> None:
    affine = AFFINE.copy()
    affine[1, 3] = -2.5e6
    write = write_nifti if ".nii" in name else write_itk
    with pytest.raises(
        VolumeError,
        match=r"its first voxel lies 2\.5e\+06 mm from the origin of the coordinates, which is impossible; correct",
    ):
        read_grid(write(tmp_path / name, ARRAY, affine))


@pytest.mark.parametrize("name", ["scan.nii", "scan.nrrd"])
def test_a_header_that_promises_too_many_voxels_needs_no_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "scan.nii":
        _patch(write_nifti(path, ARRAY, AFFINE), 42, np.array([30000] * 3, np.int16).tobytes())
        reason = "420 of 54000000000000 bytes"
    else:
        sitk.WriteImage(itk_image(ARRAY, AFFINE), str(path), useCompression=False)
        path.write_bytes(path.read_bytes().replace(b"sizes: 7 6 5", b"sizes: 30000 30000 30000"))
        reason = "420 of 54000000000000 bytes"
    with pytest.raises(VolumeError) as caught:
        read_volume(path)
    assert (
        str(caught.value) == f"{path}: truncated or damaged ({reason}); copy or download it again"
    )


@pytest.mark.parametrize(
    ("kind", "size"),
    [("short", 2), ("unsigned char", 1), ("int8_t", 1), ("uint", 4), ("float", 4), ("double", 8), ("uint64", 8),
     ("unsigned long long int", 8), ("signed short int", 2), ("uint16_t", 2), ("int32", 4)],
)  # fmt: skip
def test_the_size_of_the_voxels_of_a_nrrd_file_follows_from_its_type(
    tmp_path: Path, kind: str, size: int
) -> None:
    path = tmp_path / "a.nrrd"
    lines = (f"type: {kind}", "dimension: 3", "sizes: 2 3 4", "endian: little", "encoding: raw")
    path.write_bytes("\n".join(("NRRD0004", *lines, "", "")).encode() + bytes(24 * size))
    assert open_stored(path).load(None).nbytes == 24 * size
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VolumeError, match=rf"\({24 * size - 1} of {24 * size} bytes\)"):
        open_stored(path)


def test_nrrd_voxels_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    path.write_text(
        "NRRD0004\ntype: block\nblock size: 2\ndimension: 3\nsizes: 2 3 4\nencoding: raw\n\n"
    )
    with pytest.raises(VolumeError, match="not readable as NRRD"):
        open_stored(path)


def _patch(path: Path, offset: int, value: bytes) -> Path:
    content = bytearray(path.read_bytes())
    content[offset : offset + len(value)] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("value", "shown"), [(0.0, "0"), (-0.8, "-0.8"), (np.nan, "nan")])
def test_an_impossible_spacing_is_refused(tmp_path: Path, value: float, shown: str) -> None:
    """nibabel itself would read 0 as 1 and drop the sign."""
    path = write_nifti(tmp_path / "scan.nii", ARRAY, AFFINE)
    _patch(path, 80, np.float32(value).tobytes())  # pixdim[1]
    with pytest.raises(VolumeError) as caught:
        read_grid(path)
    assert str(caught.value) == (
        f"{path}: the header gives a voxel size of {shown} x 0.8 x 2.5 mm, which is impossible; correct its pixdim"
    )


def test_a_contradicting_spacing_and_a_missing_orientation_are_noted(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii", ARRAY, AFFINE)
    _patch(path, 80, np.float32(1.4).tobytes())
    assert read_volume(path).notes == (
        "the header gives a voxel size of 1.4 x 0.8 x 2.5 mm, its affine 0.7 x 0.8 x 2.5 mm; the affine is used",
    )
    path = write_nifti(tmp_path / "scan.nii", ARRAY, AFFINE)
    _patch(path, 252, b"\0\0\0\0")  # qform_code, sform_code
    assert read_volume(path).notes == (
        "neither sform nor qform gives the scan's orientation; left and right are a guess",
    )
