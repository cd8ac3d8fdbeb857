"""Refuse files that are not safe to read: pipes and devices, which may never end, and files that are too large."""

import errno
import zipfile
from pathlib import Path

from promise_cli.errors import format_bytes


def check_regular(path: Path, most: int | None = None) -> None:
    """Refuse a pipe, a socket or a device, and a file that is too large. A missing file and a folder pass.

    Args:
        path: The file, or a link to it.
        most: Largest size in bytes; None for any size.

    Raises:
        OSError: The file is of another kind or too large.
    """
    if not path.exists() or path.is_dir():
        return
    if not path.is_file():
        raise OSError(errno.EINVAL, "a pipe, socket or device, not a file", str(path))
    size = path.stat().st_size
    if most is not None and size > most:
        reason = f"{format_bytes(size)} large, while files of this kind have at most {format_bytes(most)}"
        raise OSError(errno.EFBIG, reason, str(path))


def check_stored(path: Path) -> None:
    """Refuse a zip archive whose parts are compressed, since a small one may unpack to any size.

    torch and numpy store the parts as they are.

    Raises:
        OSError: The parts are larger than the file.
        zipfile.BadZipFile: The archive is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    size = path.stat().st_size
    if unpacked > size:
        reason = (
            f"its parts unpack to {format_bytes(unpacked)}, but the file has {format_bytes(size)}"
        )
        raise OSError(errno.EFBIG, reason, str(path))
