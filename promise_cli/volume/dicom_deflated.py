"""Refuse deflated DICOM files whose header unpacks to far more than a header holds.

The library unpacks everything in front of the pixels at once, so a small file could take any amount of memory.
"""

import zlib
from pathlib import Path

from promise_cli.errors import VolumeError, format_bytes
from promise_cli.volume.dicom_kind import DEFLATED, LONG, first_elements

MOST = 1 << 26
"""Largest number of bytes in front of the pixels."""
_PIXELS, _ITEMS = b"\xe0\x7f\x10\x00", b"\xfe\xff"


class _Unpacked:
    """The unpacked bytes of a file's data set, which are taken from the front."""

    def __init__(self, packed: bytes) -> None:
        self.stream, self.packed, self.taken, self.rest = zlib.decompressobj(-15), packed, 0, b""

    def take(self, number: int) -> bytes:
        """Return the next bytes; fewer at the end.

        If more than 1 MiB are taken at once, only the last ones are returned, since such a value is only skipped.
        """
        self.taken += number
        while len(self.rest) < number and self.packed and self.taken <= MOST:
            piece = self.stream.decompress(self.packed, 1 << 16)
            self.packed = self.stream.unconsumed_tail
            if number - len(self.rest) > 1 << 20:  # a value that is skipped
                number -= len(self.rest)
                self.rest = b""
            self.rest += piece
        found, self.rest = self.rest[:number], self.rest[number:]
        return found


def check_deflated(path: Path) -> None:
    """Check the header of a DICOM file if its transfer syntax is deflated; do nothing for any other file.

    Raises:
        VolumeError: More than `MOST` bytes are in front of the pixels.
    """
    with path.open("rb") as file:
        start = file.read(4096)
        if DEFLATED not in start:
            return
        file.seek(_data_set(start))
        content = _Unpacked(file.read())
    try:
        while len(head := content.take(8)) == 8 and not head.startswith(_PIXELS):
            length = int.from_bytes(head[6:8], "little")
            if head.startswith(_ITEMS) or head[4:6] == b"SQ":
                length = 4 if head[4:6] == b"SQ" else 0  # what is inside follows
            elif head[4:6] in LONG:
                length = int.from_bytes(content.take(4), "little")
            content.take(length)
            if content.taken > MOST:
                raise VolumeError(
                    f"{path}: its header unpacks to more than {format_bytes(MOST)}; export the series again or remove"
                    " the file"
                )
    except zlib.error:
        return  # the library says what is wrong


def _data_set(start: bytes) -> int:
    """Return the position of the data set, behind the elements of group 2."""
    return max((end for _, _, end in first_elements(start)), default=132)
