"""Find the files and folders that are scans, and derive their case ids."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from promise_cli.errors import VolumeError
from promise_cli.volume.dicom_kind import may_be_slice, picture_kind

SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha", ".mhd")
"""Endings of files that hold a scan or label, longer ones first. `.seg.nrrd` is a segmentation of 3D Slicer."""
FORMATS = ".nii.gz, .nii, .nrrd, .mha or .mhd, or are a folder of DICOM slices"
"""The same endings as messages list them."""

_CHANNEL = re.compile(r"(.+)_(\d{4})")
_NRRD_DATA = re.compile(rb"^data ?file:\s*(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
_MHD_DATA = re.compile(rb"^ElementDataFile\s*=\s*(.+?)\s*$", re.MULTILINE)


def case_id(path: Path) -> str:
    """Return a file's name without its suffix and without nnU-Net's number of the first channel.

    For example, `liver_3_0000.nii.gz` gives `liver_3`.
    """
    name = path.name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return name.removesuffix("_0000")


def is_volume_file(path: Path) -> bool:
    """Whether a file's name looks like a scan's; hidden files and the `._*` files of macOS do not count."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def find_volumes(folder: Path) -> dict[str, Path]:
    """Return all scans directly in a folder by case id, sorted by path: files, and folders of DICOM slices.

    If there are none, but the folder itself holds DICOM slices, the folder is the only scan.

    Raises:
        VolumeError: Two scans have the same case id, or a scan's name leaves no case id.
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


def further_channels(names: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Return the case and the number of the channel, counted from 1, of names that are further channels.

    `liver_3_0001` is channel 2 of `liver_3` if there is a `liver_3`, whose file may be named `liver_3_0000.nii.gz`.
    """
    there = set(names)
    matches = {name: _CHANNEL.fullmatch(name) for name in there}
    return {
        name: (match[1], int(match[2]) + 1)
        for name, match in sorted(matches.items())
        if match and match[1] in there
    }


def channel_path(first: Path, number: int) -> Path:
    """Return the path of a further channel, in nnU-Net's naming, next to the first one.

    Args:
        first: Path of the first channel, such as `liver_3_0000.nii.gz`.
        number: Number of the channel, counted from 0. `liver_3_0001.nii.gz` is number 1.
    """
    ending = next((end for end in SUFFIXES if first.name.lower().endswith(end)), "")
    suffix = first.name[len(first.name) - len(ending) :]
    return first.with_name(f"{case_id(first)}_{number:04d}{suffix}")


def channel_number(path: Path) -> int:
    """Return the number of the channel that nnU-Net's naming gives a file, counted from 0; 0 for any other name."""
    match = _CHANNEL.fullmatch(case_id(path))
    return int(match[2]) if match else 0


def channel_files(first: Path) -> tuple[Path, ...]:
    """Return the files of a scan's channels: the first one, and `_0001`, `_0002` and so on next to it."""
    files = [first]
    while (path := channel_path(first, len(files))).exists():
        files.append(path)
    return tuple(files)


def name_hint(case: str, others: Mapping[str, Path]) -> str | None:
    """Ask whether a file belongs to another one whose name is longer or shorter by a part such as `_seg`.

    Args:
        case: Case id of a file that has no partner.
        others: The files among which the partner must be, by case id.

    Returns:
        What to do about it; None if no name is contained in the other.
    """
    shorter = [name for name in others if _additions(case, name)]
    if shorter:
        partner = max(shorter, key=len)
        added = " and ".join(repr(part) for part in _additions(case, partner))
        return f"is it that of {others[partner].name}? then remove {added} from its name"
    longer = [name for name in others if _additions(name, case)]
    if len(longer) == 1:
        return f"is it that of {others[longer[0]].name}? then give both the same name"
    return None


def _additions(name: str, within: str) -> tuple[str, ...]:
    """Return what a name has before and after another name, if separators such as `_` set it apart."""
    start, found, end = name.partition(within)
    apart = not (start and start[-1].isalnum()) and not (end and end[0].isalnum())
    return tuple(part for part in (start, end) if part) if found and apart else ()


def is_dicom_folder(path: Path) -> bool:
    """Whether a path is a folder with DICOM slices.

    DICOMDIR, an index of other files, is not a slice. Neither are structures, reports and presentation states.
    """
    return not path.name.startswith(".") and path.is_dir() and next(_slices(path), None) is not None


def dicom_files(folder: Path) -> list[Path]:
    """Return the DICOM slices directly in a folder, sorted by file name."""
    return list(_slices(folder))


def file_stamps(paths: Iterable[Path]) -> list[tuple[str, int, int, int, int]]:
    """Return the path, size, times of change and inode number of each file.

    At least one of them changes whenever the file's content changes.
    """
    stamps = []
    for path in paths:
        of = path.stat()
        stamps.append((str(path.absolute()), of.st_size, of.st_mtime_ns, of.st_ctime_ns, of.st_ino))
    return stamps


def volume_files(path: Path) -> list[Path]:
    """Return all files that a scan's voxels and geometry come from; the scan need not be readable."""
    if path.is_dir():
        return dicom_files(path)
    name = path.name.lower()
    if name.endswith((".mhd", ".nrrd")) and path.is_file():
        with path.open("rb") as file:
            head = file.read(65536)
        # In a NRRD file, an empty line separates the header from the voxels.
        named = (
            _MHD_DATA.search(head)
            if name.endswith(".mhd")
            else _NRRD_DATA.search(head.replace(b"\r\n", b"\n").partition(b"\n\n")[0])
        )
        data = path.parent / named[1].decode(errors="replace") if named else path
        if data != path and data.is_file():
            return [path, data]
    return [path]


def dicom_pictures(folder: Path) -> dict[str, str]:
    """Return the names of DICOM files in a folder that hold voxels but no slice, with `SEG`, `RTDOSE` or `RTIMAGE`."""
    kinds = {path.name: picture_kind(path) for path in _dicom(folder) if not may_be_slice(path)}
    return {name: kind for name, kind in kinds.items() if kind}


def _slices(folder: Path) -> Iterator[Path]:
    return (path for path in _dicom(folder) if may_be_slice(path))


def _dicom(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.upper() == "DICOMDIR" or not path.is_file():
            continue
        if is_dicom_file(path):
            yield path


def is_dicom_file(path: Path) -> bool:
    """Whether a file looks like DICOM by its name or its first bytes."""
    return path.suffix.lower() in (".dcm", ".ima") or _has_dicom_preamble(path)


def _has_dicom_preamble(path: Path) -> bool:
    if is_volume_file(path):
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
