"""Find cases whose scan or label was replaced in the dataset's folder after they were preprocessed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from promise_cli.dataset.case import CaseRecord
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
    costs little. A scan or label that no longer exists is not reported, because preprocessed cases need none.

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
    files = {case.case_id: (folder / case.image, folder / case.label) for case in fingerprint.cases}
    found = []
    for case_id in cases:
        for path, digest in _made_from(preprocessed / "cases" / case_id, files.get(case_id)):
            if _is_replaced(path, digest, preprocessed / "cases" / case_id / "case.json"):
                found.append(Change(case_id, path))
                break
    return found


def _made_from(case: Path, files: tuple[Path, Path] | None) -> list[tuple[Path, str]]:
    """Return the scan and the label of a case, each with the hash of the file that the case was made from."""
    try:
        record = load_record(CaseRecord, case / "case.json")
    except PromiseError:
        return []
    return list(zip(files or (), record.source_key.split("-"), strict=False))


def _is_replaced(path: Path, digest: str, record: Path) -> bool:
    try:
        files = volume_files(path)
        times = [max(found.st_mtime, found.st_ctime) for found in (one.stat() for one in files)]
        return max(times) >= record.stat().st_mtime and hash_files(files) != digest
    except (OSError, ValueError, PromiseError):  # it is missing or unreadable, but not replaced
        return False
