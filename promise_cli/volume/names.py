"""Which files and folders are scans, and which case each one is."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from promise_cli.errors import VolumeError

SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha", ".mhd")
"""Endings of files that hold a scan or label; longer endings come first. `.seg.nrrd` is 3D Slicer's segmentation."""
FORMATS = ".nii.gz, .nii, .nrrd, .mha or .mhd, or are a folder of DICOM slices"
"""The formats as messages list them."""

_NRRD_DATA = re.compile(rb"^data ?file:\s*(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
_MHD_DATA = re.compile(rb"^ElementDataFile\s*=\s*(.+?)\s*$", re.MULTILINE)


def case_id(path: Path) -> str:
    """File name without suffix and without nnU-Net's channel number: `liver_3_0000.nii.gz` -> `liver_3`."""
    name = path.name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return name.removesuffix("_0000")


def is_volume_file(path: Path) -> bool:
    """Whether a name looks like a scan; macOS's `._*` leftovers and hidden files do not."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def find_volumes(folder: Path) -> dict[str, Path]:
    """All scans directly in a folder by case id, sorted: files, and folders of DICOM slices.

    A folder without any that holds DICOM slices itself is one scan.

    Raises:
        VolumeError: Two files have the same case id.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not (is_volume_file(path) or is_dicom_folder(path)):
            continue
        if case_id(path) in ("", ".", ".."):
            raise VolumeError(f"{path}: no name is left for the case; rename the file")
        if case_id(path) in found:
            raise VolumeError(
                f"{path}: the same case as {found[case_id(path)].name}; keep one of the two"
            )
        found[case_id(path)] = path
    if not found and is_dicom_folder(folder):
        return {case_id(folder.absolute()): folder}
    return found


def is_dicom_folder(path: Path) -> bool:
    """Whether a folder holds DICOM slices; DICOMDIR, an index of other files, is none."""
    return not path.name.startswith(".") and path.is_dir() and next(_slices(path), None) is not None


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM slices directly in a folder, by name."""
    return list(_slices(folder))


def file_stamps(paths: Iterable[Path]) -> list[tuple[str, int, int, int, int]]:
    """Name, size, times and place on the disk of each file: they change whenever its content might have."""
    stamps = []
    for path in paths:
        of = path.stat()
        stamps.append((str(path.absolute()), of.st_size, of.st_mtime_ns, of.st_ctime_ns, of.st_ino))
    return stamps


def volume_files(path: Path) -> list[Path]:
    """All files that a scan's voxels and geometry come from, for one that need not be readable."""
    if path.is_dir():
        return dicom_files(path)
    name = path.name.lower()
    if name.endswith((".mhd", ".nrrd")) and path.is_file():
        with path.open("rb") as file:
            head = file.read(65536)
        # NRRD parts its header from voxels in the same file by an empty line.
        named = (
            _MHD_DATA.search(head)
            if name.endswith(".mhd")
            else _NRRD_DATA.search(head.replace(b"\r\n", b"\n").partition(b"\n\n")[0])
        )
        data = path.parent / named[1].decode(errors="replace") if named else path
        if data != path and data.is_file():
            return [path, data]
    return [path]


def _slices(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.upper() == "DICOMDIR" or not path.is_file():
            continue
        if path.suffix.lower() in (".dcm", ".ima") or _has_dicom_preamble(path):
            yield path


def _has_dicom_preamble(path: Path) -> bool:
    if is_volume_file(path):
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
