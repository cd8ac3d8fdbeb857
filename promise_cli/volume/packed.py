"""Whether packed voxels are undamaged: ITK's readers do not meet the checksum at their end."""

import zlib
from pathlib import Path

from promise_cli.errors import VolumeError

_CHUNK = 1 << 20
_HEADER = 1 << 20


def unpacked_size(path: Path, offset: int) -> int:
    """Unpack what lies behind `offset`, as zlib or gzip, and count the bytes.

    Raises:
        zlib.error: The data are truncated or do not fit their checksum.
    """
    unpack, size = zlib.decompressobj(wbits=47), 0
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            size += len(unpack.decompress(chunk))
    if not unpack.eof:
        raise zlib.error("the packed data end too soon")
    return size


def check_packed_nrrd(path: Path) -> None:
    """Unpack a NRRD file once where its voxels are packed in it with gzip.

    Raises:
        VolumeError: They are damaged.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER)
    header, end, _ = start.partition(b"\n\n")
    fields = {line.split(b":")[0].strip().lower() for line in header.splitlines()}
    packed = any(b"encoding: gz" in line.lower() for line in header.splitlines())
    if not (end and packed) or fields & {b"data file", b"datafile", b"byte skip", b"line skip"}:
        return
    try:
        unpacked_size(path, len(header) + len(end))
    except zlib.error as error:
        raise VolumeError(
            f"{path}: truncated or damaged ({error}); copy or download it again"
        ) from None
