"""Check MetaImage files for mistakes that ITK's reader does not report.

ITK changes impossible spacings and reads damaged data, both without an error.
"""

import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from promise_cli.errors import VolumeError, shown
from promise_cli.volume.limits import PADDING, truncated
from promise_cli.volume.packed import unpacked_size

_LINE = re.compile(rb"^\s*([^\s=]+)\s*=\s*(.*?)\s*$")
_PER_AXIS = (
    *("ElementSpacing", "ElementSize", "Offset", "Position", "Origin"),
    *("CenterOfRotation", "ImagePosition", "SequenceID"),
)
_MATRICES = ("TransformMatrix", "Rotation", "Orientation")
_SINGLE = (
    *("HeaderSize", "CompressedDataSize", "ID", "ParentID", "ElementMin", "ElementMax"),
    *("ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset"),
)
_CHOICES = ("BinaryData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData")
_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")
"""Fields that are true or false, and how that is written. ITK takes any other value for one of the two, and may then
return noise."""


@dataclass(frozen=True)
class MetaHeader:
    """The header of a MetaImage file, and where its voxels are."""

    fields: dict[str, str]
    """Field name -> value, as written in the header."""
    data: Path
    """The file that holds the voxels: the header's own file or another one."""
    offset: int
    """Position of the first voxel in `data`, in bytes."""

    @property
    def units(self) -> tuple[str, list[str]]:
        """Name of the field that gives the unit of lengths, and the words of its value. ITK's reader ignores it."""
        return "DistanceUnits", self.fields.get("DistanceUnits", "").split()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the header does not say, and what ITK's reader assumes instead."""
        notes = []
        if not {"ElementSpacing", "ElementSize"} & self.fields.keys():
            notes.append(
                "the header has no field 'ElementSpacing'; voxels of 1 x 1 x 1 mm are a guess"
            )
        if not self.fields.keys() & set(_MATRICES):
            notes.append(
                "the header has no field 'TransformMatrix' with the scan's orientation; left and right are a guess"
            )
        return tuple(notes)


def read_meta_header(path: Path) -> MetaHeader:
    """Read the header of a MetaImage file.

    Raises:
        VolumeError: A field that every MetaImage has is missing, a field is there twice, in front of NDims, or without
            the numbers that it needs, a spacing is not positive, or the file of the voxels is missing.
    """
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in fields and (match := _LINE.match(file.readline(4096))):
            field = match[1].decode(errors="replace")
            if field in fields:
                raise VolumeError(
                    f"{path}: the header names {shown(field)} twice; keep one of them"
                )
            fields[field] = match[2].decode(errors="replace")
        offset = file.tell()
    for name in ("NDims", "DimSize", "ElementType", "ElementDataFile"):
        if name not in fields:
            raise VolumeError(
                f"{path}: not readable as MetaImage (no {name} in the header); copy or export it again"
            )
    _check_numbers(path, fields)
    _check_choices(path, fields)
    spacing = fields.get("ElementSpacing", fields.get("ElementSize", ""))
    if any(not float(value) > 0 for value in spacing.split()):
        raise VolumeError(
            f"{path}: the header gives a voxel size of {' x '.join(spacing.split())} mm, which is impossible;"
            " correct it"
        )
    name = fields["ElementDataFile"]
    if name.upper() == "LOCAL":
        return MetaHeader(fields, path, offset)
    data = path.parent / name
    if not data.is_file():
        raise VolumeError(f"{path}: its voxels are in {data}, which is missing; add it")
    return MetaHeader(fields, data, int(float(fields.get("HeaderSize", "0"))))


def _check_numbers(path: Path, fields: dict[str, str]) -> None:
    """Refuse values that ITK would print complaints about on the terminal, or would read as other numbers."""
    counts: dict[str, list[str]] = {
        name: fields[name].split()
        for name in ("NDims", "DimSize", "ElementNumberOfChannels")
        if name in fields
    }
    for name, words in counts.items():
        if not words or not all(word.isdecimal() and int(word) > 0 for word in words):
            raise VolumeError(
                f"{path}: {name} is {shown(' '.join(words))}, where whole numbers above 0 are needed; repair the"
                " header"
            )
    if len(counts["DimSize"]) != int(counts["NDims"][0]):
        raise VolumeError(
            f"{path}: DimSize holds {len(counts['DimSize'])} numbers for NDims = {counts['NDims'][0]}; repair the"
            " header"
        )
    dimensions = int(counts["NDims"][0])
    lengths = dict.fromkeys(_PER_AXIS, dimensions) | dict.fromkeys(_MATRICES, dimensions**2)
    early = [*fields][: [*fields].index("NDims")]
    for name, length in (lengths | dict.fromkeys(_SINGLE, 1) | {"Color": 4}).items():
        words = fields.get(name, "").split()
        if name in early:
            raise VolumeError(f"{path}: {name} comes before NDims; repair the header")
        if not all(_is_number(word) for word in words):
            raise VolumeError(
                f"{path}: {name} is {shown(fields[name])}, where numbers are needed; repair the header"
            )
        if name in fields and len(words) != length:
            raise VolumeError(
                f"{path}: {name} holds {len(words)} numbers, where {length} are needed; repair the header"
            )


def _check_choices(path: Path, fields: dict[str, str]) -> None:
    """Refuse fields that are neither true nor false, and voxels that are written as text."""
    for name in _CHOICES:
        if fields.get(name, "True").lower() not in _TRUE + _FALSE:
            raise VolumeError(
                f"{path}: {name} is {shown(fields[name])}, where True or False is needed; repair the header"
            )
    if fields.get("BinaryData", "True").lower() in _FALSE:
        raise VolumeError(
            f"{path}: its voxels are text (BinaryData = False), which is not read; convert it, for example to .nrrd"
        )


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def add_meta_field(path: Path, line: str) -> None:
    """Add a line to the header of a MetaImage file, in front of the field `ElementDataFile` that ends it."""
    head, field, rest = path.read_bytes().partition(b"ElementDataFile")
    path.write_bytes(head + line.encode() + b"\n" + field + rest)


def check_meta_data(path: Path, header: MetaHeader, needed: int) -> None:
    """Check that all voxels are there, and that compressed voxels are undamaged.

    Args:
        path: The file of the header.
        header: The header.
        needed: Number of bytes of all voxels.

    Raises:
        VolumeError: Voxels are missing or damaged, or there are more than the header says.
    """
    found = packed = header.data.stat().st_size - header.offset
    try:
        if header.fields.get("CompressedData", "").lower() in _TRUE:
            found = unpacked_size(header.data, header.offset, needed)
        reason = f"{found} of {needed} bytes"
        if needed <= found <= needed + PADDING:
            written = header.fields.get("CompressedDataSize", "0")
            if written.isdecimal() and int(written) <= packed:
                return
            reason = (
                f"{packed} of {written[:20]} compressed bytes"  # ITK would take that memory at once
            )
    except zlib.error as error:
        reason = str(error)
    raise truncated(path, reason)
