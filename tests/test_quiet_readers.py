"""What ITK would print on the terminal about a damaged header is refused before, in one line of ours."""

import random
from pathlib import Path

import numpy as np
import pytest

from promise_cli.errors import VolumeError
from promise_cli.volume import read_volume
from tests.scans import write_itk

ARRAY = (np.arange(6 * 5 * 4) % 100).reshape(6, 5, 4).astype(np.int16)
VALUES = (
    "",
    "0",
    "-1",
    "nan",
    "abc",
    "1,5 1 1",
    "1e400",
    "(1,0,0)",
    "True",
    "3",
    "LIST",
    "hex",
    "1 1 1",
)
FIELDS = ("NDims", "DimSize", "ElementType", "ElementSpacing", "Offset", "TransformMatrix", "CompressedData", "Color",
          "CompressedDataSize", "BinaryData", "HeaderSize", "ElementMin", "CenterOfRotation", "ID", "ParentID",
          "SequenceID", "ImagePosition", "ElementNumberOfChannels")  # fmt: skip


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return write_itk(tmp_path / "scan.mha", ARRAY, np.eye(4))


def insert(path: Path, line: str, before: str) -> None:
    head, field, rest = path.read_bytes().partition(before.encode())
    path.write_bytes(head + line.encode() + b"\n" + field + rest)


@pytest.mark.parametrize(
    ("line", "before", "message"),
    [
        ("Offset = 0 0 0", "ElementSpacing", "the header names 'Offset' twice; keep one of them"),
        ("ImagePosition = 1 1 1", "NDims", "ImagePosition comes before NDims; repair the header"),
        ("ParentID = x", "NDims", "ParentID comes before NDims; repair the header"),
        ("ParentID = x", "Offset", "ParentID is 'x', where numbers are needed; repair the header"),
        ("Color = 3", "Offset", "Color holds 1 numbers, where 4 are needed; repair the header"),
        (
            "SequenceID = 4",
            "Offset",
            "SequenceID holds 1 numbers, where 3 are needed; repair the header",
        ),
        (
            "ElementByteOrderMSB = maybe",
            "Offset",
            "ElementByteOrderMSB is 'maybe', where True or False is needed; repair the header",
        ),
    ],
)
def test_lines_about_which_itk_complains_are_refused_quietly(
    scan: Path, line: str, before: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    insert(scan, line, before)
    with pytest.raises(VolumeError) as caught:
        read_volume(scan)
    assert str(caught.value) == f"{scan}: {message}"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1e400", "CompressedData is '1e400', where True or False is needed; repair the header"),
        ("1", "truncated or damaged (the compressed data are damaged); copy or download"
         " it again"),
    ],
)  # fmt: skip
def test_voxels_that_are_not_compressed_as_the_header_says_are_no_noise(
    scan: Path, value: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    content = scan.read_bytes()
    scan.write_bytes(
        content.replace(b"CompressedData = False", f"CompressedData = {value}".encode())
    )
    with pytest.raises(VolumeError) as caught:
        read_volume(scan)
    assert str(caught.value) == f"{scan}: {message}"
    assert capfd.readouterr() == ("", "")


def test_voxels_that_are_written_as_text_are_refused_by_name(scan: Path) -> None:
    scan.write_bytes(scan.read_bytes().replace(b"BinaryData = True", b"BinaryData = False"))
    with pytest.raises(
        VolumeError, match=r"its voxels are text \(BinaryData = False\), which is not read"
    ):
        read_volume(scan)


def test_no_damage_of_a_header_makes_itk_print(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(0)
    sound = write_itk(tmp_path / "scan.mha", ARRAY, np.eye(4)).read_bytes()
    head, end, rest = sound.partition(b"ElementDataFile = LOCAL\n")
    refused = []
    for number in range(400):
        lines = head.splitlines()
        place = chance.randrange(len(lines))
        new = f"{chance.choice(FIELDS)} = {chance.choice(VALUES)}".encode()
        lines[place : place + chance.randrange(2)] = [new]
        path = tmp_path / f"{number}.mha"
        path.write_bytes(b"\n".join(lines) + b"\n" + end + rest)
        try:
            read_volume(path)
        except VolumeError as error:
            refused.append(str(error).removeprefix(f"{path}: "))
    assert len(refused) > 200
    assert not any(error.startswith(str(tmp_path)) for error in refused)
    assert capfd.readouterr() == ("", "")
