"""Name files that are not scans but lie in the place of one: pointers, web pages, archives and single DICOM slices."""

import re
from contextlib import suppress
from pathlib import Path

from promise_cli.errors import VolumeError
from promise_cli.volume.names import FORMATS, is_dicom_file, is_dicom_folder

_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar")
_PAGE = re.compile(rb"\s*<(!doctype html|html|head)", re.IGNORECASE)
_DEEPEST = 3
"""Number of levels of folders in which DICOM slices are looked for."""


def refuse_placeholder(path: Path) -> None:
    """Refuse a file that holds a pointer to a scan, or the web page of a failed download.

    Raises:
        VolumeError: The file is such a pointer or page.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        start = file.read(200)
    if start.startswith(b"version https://git-lfs"):
        raise VolumeError(
            f"{path}: a pointer of Git LFS instead of the file; fetch the file with git lfs pull"
        )
    if start.startswith((b"/annex/objects/", b"../.git/annex/", b".git/annex/")):
        raise VolumeError(
            f"{path}: a pointer of git-annex instead of the file; fetch the file with git annex get"
        )
    if _PAGE.match(start):
        raise VolumeError(
            f"{path}: a web page instead of a scan (a failed download?); download it again"
        )


def no_scan(path: Path) -> VolumeError:
    """Return the error for a file whose name is not that of a scan, with what it is if that is known."""
    if is_dicom_file(path):
        return VolumeError(
            f"{path}: a single DICOM file; give the folder of the slices, {path.parent}"
        )
    if path.name.lower().endswith(_ARCHIVES):
        return VolumeError(f"{path}: an archive; unpack it, and give the scan or folder in it")
    return VolumeError(f"{path}: not a scan; scans and labels end in {FORMATS}")


def nested_slices(folder: Path) -> Path | None:
    """Find a folder of DICOM slices some levels below a folder that holds no scan; None if there is none."""
    places = [folder]
    with suppress(OSError):  # this is only a hint
        for _ in range(_DEEPEST):
            places = [
                path
                for place in places
                for path in sorted(place.iterdir())
                if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
            ]
            if (found := next(filter(is_dicom_folder, places), None)) is not None:
                return found
    return None
