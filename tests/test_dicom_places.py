"""Slices without their place in the patient are refused with the missing tag; other DICOM objects are passed over."""

import locale
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from promise_cli.errors import VolumeError
from promise_cli.volume import find_volumes, read_volume, volume_files
from tests.conftest import affine_of
from tests.scans import itk_image, write_dicom

ARRAY = np.random.default_rng(0).integers(-1000, 1000, (7, 6, 5)).astype(np.int16)
AFFINE = affine_of("LPS", (0.7, 0.8, 2.5), (-101.25, 33.5, 7.125))
TAGS = {
    b"\x20\x00\x32\x00": "ImagePositionPatient (0020,0032)",
    b"\x20\x00\x37\x00": "ImageOrientationPatient (0020,0037)",
    b"\x28\x00\x30\x00": "PixelSpacing (0028,0030)",
}
OBJECTS = {
    "rtstruct": "1.2.840.10008.5.1.4.1.1.481.3",
    "rtplan": "1.2.840.10008.5.1.4.1.1.481.5",
    "sr": "1.2.840.10008.5.1.4.1.1.88.33",
    "ko": "1.2.840.10008.5.1.4.1.1.88.59",
    "pr": "1.2.840.10008.5.1.4.1.1.11.1",
    "reg": "1.2.840.10008.5.1.4.1.1.66.1",
    "pdf": "1.2.840.10008.5.1.4.1.1.104.1",
    "index": "1.2.840.10008.1.3.10",
}


def _scan(folder: Path) -> Path:
    return write_dicom(folder, ARRAY, AFFINE, names={k: f"s{k}.dcm" for k in range(5)})


def _without(path: Path, tag: bytes) -> None:
    """Remove an element from a file. The files of these tests have implicit value representations."""
    content = path.read_bytes()
    at = content.index(tag, 132)
    size = int.from_bytes(content[at + 4 : at + 8], "little")
    path.write_bytes(content[:at] + content[at + 8 + size :])


def _object(path: Path, uid: str, *, meta: bool = True, explicit: bool = True) -> None:
    """Write a DICOM object without voxels."""
    value = uid.encode() + b"\0" * (len(uid) % 2)
    size = len(value)
    group_2 = (
        b"\x02\x00\x01\x00OB\0\0\x02\0\0\0\0\1\x02\x00\x02\x00UI"
        + size.to_bytes(2, "little")
        + value
    )
    how = b"UI" + size.to_bytes(2, "little") if explicit else size.to_bytes(4, "little")
    path.write_bytes(
        (b"\0" * 128 + b"DICM" + group_2 if meta else b"") + b"\x08\x00\x16\x00" + how + value
    )


@pytest.mark.parametrize(("tag", "name"), TAGS.items())
def test_slices_without_their_place_are_refused_with_the_missing_tag(
    tmp_path: Path, tag: bytes, name: str
) -> None:
    folder = _scan(tmp_path / "scan")
    for path in folder.iterdir():
        _without(path, tag)
    with pytest.raises(VolumeError) as caught:
        read_volume(folder)
    assert str(caught.value) == (
        f"{folder}: the slices have no {name}, so where they lie is unknown; export the series again with its"
        " geometry, or convert the original series"
    )


def test_all_missing_tags_are_named_and_a_single_slice_needs_them_too(tmp_path: Path) -> None:
    folder = write_dicom(tmp_path / "scan", ARRAY, AFFINE, names={2: "only.dcm"})
    for tag in TAGS:
        _without(folder / "only.dcm", tag)
    with pytest.raises(VolumeError, match=r"no ImageP.* and no ImageO.* and no PixelSpacing \(00"):
        read_volume(folder)


def test_the_frames_of_one_file_need_their_place_too(tmp_path: Path) -> None:
    image = itk_image(ARRAY.astype(np.uint8), AFFINE)
    (tmp_path / "scan").mkdir()
    path = tmp_path / "scan" / "frames.dcm"
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(path))
    before = locale.setlocale(locale.LC_ALL)
    writer.Execute(image)
    locale.setlocale(locale.LC_ALL, before)  # GDCM's writer changes it
    assert read_volume(path.parent).array.shape == ARRAY.shape
    path.write_bytes(path.read_bytes().replace(b"\x20\x00\x32\x00", b"\x20\x00\x33\x00"))
    with pytest.raises(VolumeError, match=r"the slices have no ImagePositionPatient \(0020,0032\)"):
        read_volume(path.parent)


def test_a_few_files_without_a_position_are_counted_and_named(tmp_path: Path) -> None:
    folder = _scan(tmp_path / "scan")
    for name in ("s1.dcm", "s3.dcm"):
        _without(folder / name, b"\x20\x00\x32\x00")
    with pytest.raises(VolumeError) as caught:
        read_volume(folder)
    assert str(caught.value) == (
        f"{folder}: 2 of 5 files have no ImagePositionPatient (0020,0032), the first s1.dcm; remove them if they are"
        " not slices of this scan, otherwise export the series again"
    )


def _again(folder: Path, name: str, k: int) -> None:
    write_dicom(folder, ARRAY, AFFINE, names={k: name})


def test_slices_at_the_same_places_are_told_apart_by_how_many_there_are(tmp_path: Path) -> None:
    folder = _scan(tmp_path / "scan")
    _again(folder, "s1_copy.dcm", 1)
    _again(folder, "s3_copy.dcm", 3)
    with pytest.raises(VolumeError, match=r"s1.* lie at the same place \(2 such pairs\); keep one"):
        read_volume(folder)
    for k in (0, 2, 4):
        _again(folder, f"s{k}_copy.dcm", k)
    with pytest.raises(
        VolumeError,
        match=r"2 slices lie at each of 5 places, such as s0.* \(several phases, echoes or time points in one series\?"
        r"\); keep the slices of one of them",
    ):
        read_volume(folder)


def test_slices_that_all_have_one_position_are_not_to_be_deleted(tmp_path: Path) -> None:
    folder = write_dicom(tmp_path / "scan", ARRAY, AFFINE, names={2: "a.dcm"})
    for name in ("b.dcm", "c.dcm"):
        _again(folder, name, 2)
    with pytest.raises(VolumeError, match=r"all 3 slices have the same position .*; export the se"):
        read_volume(folder)


@pytest.mark.parametrize(("meta", "explicit"), [(True, True), (False, True), (False, False)])
def test_dicom_objects_without_voxels_are_passed_over(
    tmp_path: Path, meta: bool, explicit: bool
) -> None:
    folder = _scan(tmp_path / "scan")
    slices = volume_files(folder)
    for name, uid in OBJECTS.items():
        _object(folder / f"{name}.dcm", uid, meta=meta, explicit=explicit)
        if meta:
            _object(folder / f"a_{name}", uid)
    assert volume_files(folder) == slices
    assert read_volume(folder).array.shape == ARRAY.shape


def test_a_folder_with_structures_only_is_no_scan(tmp_path: Path) -> None:
    folder = tmp_path / "scans" / "structures"
    folder.mkdir(parents=True)
    _object(folder / "rt.dcm", OBJECTS["rtstruct"])
    _scan(tmp_path / "scans" / "scan")
    assert list(find_volumes(tmp_path / "scans")) == ["scan"]
    with pytest.raises(VolumeError, match="no DICOM slices in this folder"):
        read_volume(folder)


def test_damaged_and_unknown_dicom_files_still_stop_the_read(tmp_path: Path) -> None:
    for name, content in (
        ("cut.dcm", (_scan(tmp_path / "whole") / "s0.dcm").read_bytes()[:300]),
        ("text.dcm", b"no slice"),
        ("empty.dcm", b""),
    ):
        folder = _scan(tmp_path / name / "scan")
        (folder / name).write_bytes(content)
        with pytest.raises(VolumeError, match=f"{name}: not readable as a DICOM slice"):
            read_volume(folder)
        shutil.rmtree(tmp_path / name)


PICTURES = {
    "RTDOSE": "1.2.840.10008.5.1.4.1.1.481.2",
    "SEG": "1.2.840.10008.5.1.4.1.1.66.4",
    "RTIMAGE": "1.2.840.10008.5.1.4.1.1.481.1",
}


@pytest.mark.parametrize(("kind", "uid"), PICTURES.items())
def test_doses_and_segmentations_are_passed_over_by_name(
    tmp_path: Path, kind: str, uid: str
) -> None:
    """Such objects are whole images of frames, so reading them as slices would mix them with the scan."""
    folder = _scan(tmp_path / "scans" / "scan")
    _object(folder / "a.dcm", uid)
    other = write_dicom(tmp_path / "other", ARRAY, AFFINE, series="1.2.3", tags={"0008|0016": uid})
    picture = next(iter(sorted(other.iterdir())))
    if uid.encode() not in picture.read_bytes()[132:400]:  # GDCM may write its own SOP class
        picture.write_bytes((folder / "a.dcm").read_bytes() + picture.read_bytes()[132:])
    shutil.copy(picture, folder / "b.dcm")
    volume = read_volume(folder)
    np.testing.assert_array_equal(volume.array.shape, ARRAY.shape)
    assert volume.notes == (
        f"files that are not slices of a scan are skipped: a.dcm ({kind}), b.dcm ({kind})",
    )
    alone = tmp_path / "scans" / "alone"
    alone.mkdir()
    shutil.copy(picture, alone / "b.dcm")
    assert list(find_volumes(tmp_path / "scans")) == ["scan"]
    with pytest.raises(VolumeError) as caught:
        read_volume(alone)
    assert str(caught.value) == (
        f"{alone}: no DICOM slices in this folder, only b.dcm ({kind}); give a scan file or a folder of slices"
    )
