"""Find cases whose scan or label was replaced in the dataset's folder after they were preprocessed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from promise_cli.dataset.case_record import CaseRecord
from promise_cli.dataset.fingerprint import Fingerprint, hash_files
from promise_cli.disk.records import load_record
from promise_cli.errors import PromiseError
from promise_cli.volume import volume_files


@dataclass(frozen=True)
class Change:
    """A scan or label that is no longer the one that a case was made from."""

    case_id: str
    path: Path


def changed_files(preprocessed: Path, root: Path, cases: Iterable[str]) -> list[Change]:
    """Find the scans and labels that were replaced after their cases were preprocessed.

    The hashes in `case.json` decide. Only files that are newer than `case.json` are read and hashed, so that the check
    costs little. A scan or label that no longer exists is not reported, because training does not need them.

    Args:
        preprocessed: Folder of the preprocessed dataset.
        root: Folder of the workspace, below which `fingerprint.json` may name the dataset's folder.
        cases: Ids of the cases to check.
    """
    try:
        fingerprint = load_record(Fingerprint, preprocessed / "fingerprint.json")
    except PromiseError:  # the fingerprint is needed only for this check
        return []
    folder = root / fingerprint.source
    files = {
        case.case_id: (
            [folder / image for image in (case.image, *case.further_images)],
            [folder / case.label],
        )
        for case in fingerprint.cases
    }
    found = []
    for case_id in cases:
        for paths, digest in _made_from(preprocessed / "cases" / case_id, files.get(case_id)):
            if _is_replaced(paths, digest, preprocessed / "cases" / case_id / "case.json"):
                found.append(Change(case_id, _newest(paths)))
                break
    return found


def _made_from(
    case: Path, files: tuple[list[Path], list[Path]] | None
) -> list[tuple[list[Path], str]]:
    """Return the scan and the label of a case, each with the hash of the files that the case was made from."""
    try:
        record = load_record(CaseRecord, case / "case.json")
    except PromiseError:
        return []
    return list(zip(files or (), record.source_key.split("-"), strict=False))


def _newest(paths: list[Path]) -> Path:
    """Return the file or folder that was changed last. A warning about a scan of several channels names this one."""
    return max(paths, key=lambda path: max(file.stat().st_mtime for file in volume_files(path)))


def _is_replaced(paths: list[Path], digest: str, record: Path) -> bool:
    """Whether files are newer than the record of their case and no longer have the hash that it holds."""
    try:
        files = [file for path in paths for file in volume_files(path)]
        times = [max(found.st_mtime, found.st_ctime) for found in (one.stat() for one in files)]
        return max(times) >= record.stat().st_mtime and hash_files(files) != digest
    except (OSError, ValueError, PromiseError):  # it is missing or unreadable, but not replaced
        return False
