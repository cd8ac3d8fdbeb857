"""Distinguish DICOM files that hold slices from those that hold structures, reports, plans or an index of files."""

import mmap
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

DEFLATED = b"1.2.840.10008.1.2.1.99"
"""Transfer syntax in which everything but the first elements is compressed."""
LONG = tuple(b"OB OW OF OD OL OV SV UV SQ UN UT UC UR".split())
"""Value representations whose length takes four bytes, after two reserved ones."""
_IMAGES = "1.2.840.10008.5.1.4.1.1."
_START = 8192

_OTHER = (
    "4.2",  # spectroscopy
    "9.",  # waveforms
    "11.",  # presentation states (PR)
    "66",  # raw data, registrations, surfaces
    "67",  # real-world values
    "68.",  # surface scans
    "88.",  # structured reports (SR, KO)
    "90.",  # content assessments
    "104.",  # encapsulated documents
    "131",  # structured displays
    "200.",  # procedure protocols
    "481.",  # radiotherapy: structures (RTSTRUCT), plans, records
)
_PICTURES = {
    "66.4": "SEG",
    "66.7": "SEG",
    "481.1": "RTIMAGE",
    "481.2": "RTDOSE",
    "481.23": "RTIMAGE",
    "481.24": "RTIMAGE",
}
"""Objects that hold voxels but no slice of a scan, with their modality: segmentations, doses, treatment images."""
_NO_IMAGES = ("1.2.840.10008.1.3.10", "1.2.840.10008.5.1.4.38.", "1.2.840.10008.5.1.4.39.")
"""DICOMDIR, hanging protocols and colour palettes."""


def may_be_slice(path: Path) -> bool:
    """Whether a DICOM file may hold a slice. False only if its SOP class says that it holds something else."""
    uid = _read_class(path)
    if uid.startswith(_NO_IMAGES):
        return False
    kind = uid.removeprefix(_IMAGES)
    return kind == uid or not kind.startswith(_OTHER)


def picture_kind(path: Path) -> str:
    """Return `SEG`, `RTDOSE` or `RTIMAGE` for a DICOM file that holds voxels but no slice; otherwise an empty text."""
    return _PICTURES.get(_read_class(path).removeprefix(_IMAGES), "")


def _read_class(path: Path) -> str:
    """Return the UID of the SOP class; an empty text if the file cannot be read, since reading it gives the reason."""
    try:
        with path.open("rb") as file:
            return _sop_class(file.read(_START))
    except OSError:
        return ""


def holds_tag(path: Path, keys: Iterable[str]) -> bool:
    """Whether one of several tags, such as `0020|0032`, occurs anywhere in a file, also inside a sequence.

    Compressed headers are not searched; their files count as holding the tag.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(DEFLATED) >= 0:
            return True
        for key in keys:
            group, element = (int(part, 16) for part in key.split("|"))
            if content.find(struct.pack("<HH", group, element)) >= 0:
                return True
            if content.find(struct.pack(">HH", group, element)) >= 0:
                return True
    return False


def first_elements(start: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the elements of group 2 in the first bytes of a DICOM file.

    Yields:
        The two bytes of the element's number, and the positions of the first byte of its value and of the one after it.
    """
    at = 132
    while start[at : at + 2] == b"\x02\x00":
        long = start[at + 4 : at + 6] in LONG
        value = at + (12 if long else 8)
        end = value + int.from_bytes(start[value - (4 if long else 2) : value], "little")
        yield start[at + 2 : at + 4], value, end
        at = end


def _sop_class(start: bytes) -> str:
    """Return the UID of the SOP class from the first bytes of a file; an empty string if it is not found."""
    if start[128:132] == b"DICM":
        for number, value, end in first_elements(start):
            if number == b"\x02\x00":  # (0002,0002)
                return _text(start[value:end])
    found = start.find(b"\x08\x00\x16\x00")  # (0008,0016), with or without value representation
    if found < 0:
        return ""
    explicit = start[found + 4 : found + 6] == b"UI"
    size = int.from_bytes(start[found + (6 if explicit else 4) : found + 8], "little")
    return _text(start[found + 8 : found + 8 + size]) if size <= 64 else ""


def _text(value: bytes) -> str:
    return value.decode("ascii", errors="replace").rstrip("\0 ")
