"""Scans of several channels are read with the right voxels, whatever the format, the orientation and the layout."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from nibabel.orientations import axcodes2ornt

from promise_cli.errors import VolumeError
from promise_cli.volume import channel_files, read_channel, read_scan, read_volume, write_mask
from tests.conftest import AXES, OBLIQUE, affine_of, write_nifti
from tests.scans import itk_image, write_dicom

SHAPE = (5, 6, 7)
NAMES = ("FLAIR", "T1w", "T2w")
CHANNELS = np.random.default_rng(0).integers(-500, 1500, (3, *SHAPE)).astype(np.int16)


def one_file(folder: Path, affine: np.ndarray) -> list[Path]:
    return [write_nifti(folder / "scan.nii.gz", np.moveaxis(CHANNELS, 0, -1), affine)]


def fifth_axis(folder: Path, affine: np.ndarray) -> list[Path]:
    array = np.moveaxis(CHANNELS, 0, -1)[..., None, :]
    return [write_nifti(folder / "scan.nii", array, affine)]


def files(folder: Path, affine: np.ndarray) -> list[Path]:
    return [
        write_nifti(folder / f"scan_{number:04d}.nii.gz", channel, affine)
        for number, channel in enumerate(CHANNELS)
    ]


def components(suffix: str):
    def write(folder: Path, affine: np.ndarray) -> list[Path]:
        path = folder / f"scan.{suffix}"
        sitk.WriteImage(sitk.Compose(*[itk_image(one, affine) for one in CHANNELS]), str(path))
        return [path]

    return write


def series(suffix: str):
    def write(folder: Path, affine: np.ndarray) -> list[Path]:
        path = folder / f"scan.{suffix}"
        sitk.WriteImage(sitk.JoinSeries([itk_image(one, affine) for one in CHANNELS]), str(path))
        return [path]

    return write


def dicom(folder: Path, affine: np.ndarray) -> list[Path]:
    return [
        write_dicom(folder / f"scan_{number:04d}", channel, affine)
        for number, channel in enumerate(CHANNELS)
    ]


LAYOUTS = [one_file, fifth_axis, files, components("nrrd"), components("mha"), series("nrrd"),
           series("mha"), dicom]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axes", ["RAS", "PIR", "oblique"])
def test_channels_of_every_layout_are_those_of_scans_of_one_channel(
    tmp_path: Path, layout, axes: str
) -> None:
    affine = affine_of("LAI" if axes == "oblique" else axes, (0.8, 0.9, 2.5), (10.0, -20.0, 30.0))
    if axes == "oblique":
        affine = OBLIQUE @ affine
    alone = [read_volume(path) for path in files(tmp_path / "alone", affine)]
    tmp_path.joinpath("scan").mkdir()
    scan = read_scan(layout(tmp_path / "scan", affine), NAMES)
    assert scan.array.shape == (3, *scan.grid.shape)
    assert scan.grid.distance_mm(alone[0].grid) < 1e-3
    for channel, expected in zip(scan.channels, alone, strict=True):
        np.testing.assert_array_equal(channel, expected.array)


@pytest.mark.parametrize(("one", "two"), list(itertools.pairwise(AXES)))
def test_channels_stored_in_different_axis_orders_lie_on_one_grid(
    tmp_path: Path, one: str, two: str
) -> None:
    first = write_nifti(tmp_path / "a_0000.nii", CHANNELS[0], affine_of(one, (1, 2, 3), (4, 5, 6)))
    expected = read_volume(first, "RAS")
    image = nib.Nifti1Image(CHANNELS[0], affine_of(one, (1, 2, 3), (4, 5, 6)))
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), axcodes2ornt(tuple(two))
    )
    nib.save(image.as_reoriented(turn), tmp_path / "a_0001.nii")
    scan = read_scan(channel_files(first), ("", ""))
    for channel in scan.channels:
        np.testing.assert_array_equal(channel, expected.array)
    assert scan.grid.is_that_of(expected.grid)


def test_whole_numbers_keep_their_type_if_all_channels_hold_them(tmp_path: Path) -> None:
    paths = files(tmp_path, np.eye(4))
    assert read_scan(paths, NAMES, keep_integers=True).array.dtype == np.int16
    assert read_scan(paths, NAMES).array.dtype == np.float32
    write_nifti(paths[1], CHANNELS[1].astype(np.float32) / 3, np.eye(4))
    scan = read_scan(paths, NAMES, keep_integers=True)
    assert scan.array.dtype == np.float32
    np.testing.assert_array_equal(scan.array[1], CHANNELS[1].astype(np.float32) / 3)


def test_masks_of_scans_of_several_channels_have_three_axes_and_no_vectors(tmp_path: Path) -> None:
    (path,) = fifth_axis(tmp_path, OBLIQUE)
    image = nib.load(path)
    image.header.set_intent("vector")
    nib.save(
        nib.Nifti1Image(np.asanyarray(image.dataobj), OBLIQUE, image.header), tmp_path / "v.nii"
    )
    scan = read_scan([tmp_path / "v.nii"], NAMES)
    write_mask(scan.channels[0] > 0, scan, tmp_path / "mask.nii")
    mask = nib.load(tmp_path / "mask.nii")
    assert mask.header.get_intent()[0] == "none"
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj), CHANNELS[0] > 0)
    np.testing.assert_allclose(mask.affine, OBLIQUE, atol=1e-6)


def test_one_channel_of_a_scan_can_be_read_for_pictures(tmp_path: Path) -> None:
    (path,) = one_file(tmp_path, np.eye(4))
    np.testing.assert_array_equal(read_channel(path).array, CHANNELS[0])
    np.testing.assert_array_equal(read_channel(path, 2).array, CHANNELS[2])
    first, *_ = files(tmp_path, np.eye(4))
    np.testing.assert_array_equal(read_channel(first, 2).array, CHANNELS[2])
    for scan, number in ((path, 3), (first, 1)):
        with pytest.raises(VolumeError, match=f"a scan of {number} channels?, so channel 4 cannot"):
            read_channel(scan, 3)


def too_few(folder: Path) -> list[Path]:
    return files(folder, np.eye(4))[:2]


def one_alone(folder: Path) -> list[Path]:
    return files(folder, np.eye(4))[:1]


def two_in_file(folder: Path) -> list[Path]:
    return [write_nifti(folder / "scan.nii", np.zeros((*SHAPE, 2)), np.eye(4))]


def too_many(folder: Path) -> list[Path]:
    paths = files(folder, np.eye(4))
    return [*paths, write_nifti(folder / "scan_0003.nii.gz", CHANNELS[0], np.eye(4))]


def both_layouts(folder: Path) -> list[Path]:
    return [*one_file(folder, np.eye(4)), *files(folder, np.eye(4))[1:]]


def two_axes(folder: Path) -> list[Path]:
    return [write_nifti(folder / "scan.nii", np.zeros((*SHAPE, 2, 3)), np.eye(4))]


def moved(folder: Path) -> list[Path]:
    paths = files(folder, np.eye(4))
    write_nifti(paths[1], CHANNELS[1], affine_of("RAS", (1, 1, 1), (0, 0, 2.5)))
    return paths


def cut(folder: Path) -> list[Path]:
    paths = files(folder, np.eye(4))
    write_nifti(paths[2], CHANNELS[2][:-1], np.eye(4))
    return paths


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (too_few, "scan_0000.nii.gz: a scan of 2 channels, but 3 channels are needed (FLAIR, T1w, T2w); add"
         " scan_0002.nii.gz, or give one file with all channels"),
        (one_alone, "scan_0000.nii.gz: a scan of 1 channel, but 3 channels are needed (FLAIR, T1w, T2w); add"
         " scan_0001.nii.gz, or give one file with all channels"),
        (two_in_file, "scan.nii: a scan of 2 channels, but 3 channels are needed (FLAIR, T1w, T2w); give one file with"
         " exactly these channels"),
        (too_many, "scan_0000.nii.gz: a scan of 4 channels, but 3 channels are needed (FLAIR, T1w, T2w); remove"
         " scan_0003.nii.gz"),
        (both_layouts, "scan.nii.gz: holds 3 channels, but scan_0001.nii.gz is another channel of the same scan; keep"
         " one of the two"),
        (two_axes, "scan.nii: expected a 3D scan with one channel, found 5 x 6 x 7 x 2 x 3; extract one volume"),
        (moved, "scan_0001.nii.gz: channel 2 of case scan: its corners lie up to 2.5 mm from those of channel 1"
         " (spacing or affine differ); resample it to the grid of channel 1"),
        (cut, "scan_0002.nii.gz: channel 3 of case scan has 4 x 6 x 7 voxels, but channel 1 has 5 x 6 x 7; resample it"
         " to the grid of channel 1"),
    ],
)  # fmt: skip
def test_a_scan_with_wrong_channels_is_refused_with_one_line(
    tmp_path: Path, write, message: str
) -> None:
    with pytest.raises(VolumeError) as caught:
        read_scan(write(tmp_path), NAMES)
    assert str(caught.value) == f"{tmp_path}/{message}"
