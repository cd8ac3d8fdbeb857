"""A short run of `tests/fuzz_volumes.py`: no damaged scan or list of cases ends in a traceback."""

from pathlib import Path

import numpy as np
import pytest

from promise_cli.errors import VolumeError
from promise_cli.volume import find_volumes, read_volume, volume_files
from tests.conftest import affine_of
from tests.fuzz_volumes import ARRAY, fuzz, write_corpus
from tests.scans import write_itk


@pytest.mark.slow
def test_damaged_scans_end_in_voxels_or_one_line(tmp_path: Path) -> None:
    counts = fuzz(150, 1, tmp_path)
    assert sum(counts.values()) == 150
    assert 20 < counts["read"] < 130
    assert len(counts) > 10


def test_empty_and_cut_files_of_every_kind_are_refused(tmp_path: Path) -> None:
    for kind, files in write_corpus(tmp_path).items():
        (scan,) = find_volumes(tmp_path / kind).values()
        for path in (files[0], files[-1]):
            whole = path.read_bytes()
            for keep in (0, 1, 100, 300, len(whole) // 2, len(whole) - 30):
                path.write_bytes(whole[:keep])
                # A cut file may be no scan any more, which its folder then does not hold.
                with pytest.raises(VolumeError) as caught:
                    read_volume(scan)
                assert str(caught.value).startswith(str(tmp_path / kind)), kind
                assert "\n" not in str(caught.value)
            path.write_bytes(whole)
        assert read_volume(scan).notes == ()
        assert volume_files(scan) == [scan, *files[1:]] if scan.is_file() else files


@pytest.mark.parametrize(
    "line",
    [b"encodin" + b"9" * 6000, b"type: " + b"[" * 3000, b"kinds: domain do" + b"9" * 6000 + b"main", b"no field"],
)  # fmt: skip
def test_a_header_on_which_the_library_crashes_is_refused_before(
    tmp_path: Path, line: bytes
) -> None:
    path = write_itk(tmp_path / "a.nrrd", ARRAY, affine_of("LPS", (2, 2.5, 9), (1, 2, 3)))
    path.write_bytes(path.read_bytes().replace(b"endian: little", line))
    with pytest.raises(
        VolumeError, match=r"line 10 of the header is not a field\); copy or export it"
    ):
        read_volume(path)


def test_a_nrrd_file_that_lists_the_files_of_its_voxels_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: 12 10 4\nencoding: raw\nendian: little\n"
    path.write_text(f"{head}spacings: 2 2.5 9\ndata file: LIST\n" + "\n".join("0123") + "\n")
    for k in range(4):
        (tmp_path / str(k)).write_bytes(ARRAY[..., k].T.tobytes())
    np.testing.assert_array_equal(read_volume(path, "as_stored").array, ARRAY)


def test_long_texts_of_a_nrrd_header_are_still_read(tmp_path: Path) -> None:
    path = write_itk(tmp_path / "a.nrrd", ARRAY, affine_of("LPS", (2, 2.5, 9), (1, 2, 3)))
    more = (
        b"content: "
        + b"x" * 9000
        + b"\nDWMRI_gradient:="
        + b"1 " * 9000
        + b"\n# "
        + b"c" * 9000
        + b"\nendian:"
    )
    path.write_bytes(path.read_bytes().replace(b"endian:", more))
    assert read_volume(path, "as_stored").array.shape == ARRAY.shape
