"""Identify the image and label of a case by hashes of their content.

A file is hashed again only if it may have changed since the last time.
"""

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promise_cli.dataset.folder import CaseFiles
from promise_cli.disk.regular import check_regular
from promise_cli.volume import volume_files

SETTLED_SECONDS = 2.0
"""Age in seconds from which a file's time of change is trusted.

A file that was changed more recently may change again within the same tick of the disk's clock.
"""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Hashes of the image and label of a case, and the state of the files at that time."""

    image_sha256: str
    label_sha256: str
    state: str
    """Result of `state_of` when hashing began."""
    settled: bool
    """Whether the last change was long enough ago that any later change gives another state."""

    @property
    def key(self) -> str:
        """Hashes of the files' content; their times do not matter."""
        return f"{self.image_sha256}-{self.label_sha256}"


def hash_source(files: CaseFiles) -> Source:
    """Read and hash the image and label of a case."""
    state, settled = state_of(files), _is_settled(files)
    return Source(
        image_sha256=hash_files(_image_files(files)),
        label_sha256=hash_files(volume_files(files.label)),
        state=state,
        settled=settled,
    )


def is_unchanged(files: CaseFiles, source: Source) -> bool:
    """Whether the files have not changed since they were hashed."""
    return state_of(files) == source.state


def state_of(files: CaseFiles) -> str:
    """Return a hash of the files' sizes, times and inode numbers, which changes whenever their content changes.

    The times include the last change of status (ctime). Programs can set back the modification time (mtime), but not
    this one.
    """
    stats = [path.stat() for path in _all_files(files)]
    text = " ".join(f"{s.st_size}.{s.st_mtime_ns}.{s.st_ctime_ns}.{s.st_ino}" for s in stats)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_files(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of one file, as `sha256sum` shows it.

    For several files, it is the SHA-256 of the list that `sha256sum` prints for them.
    """
    digests = []
    for path in paths:
        check_regular(path)
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0]
    whole = hashlib.sha256()
    for digest, path in zip(digests, paths, strict=True):
        whole.update(f"{digest}  ".encode() + os.fsencode(path.name) + b"\n")
    return whole.hexdigest()


def _all_files(files: CaseFiles) -> list[Path]:
    return [*_image_files(files), *volume_files(files.label)]


def _image_files(files: CaseFiles) -> list[Path]:
    return [path for image in files.images for path in volume_files(image)]


def _is_settled(files: CaseFiles) -> bool:
    changed = max(max(s.st_mtime, s.st_ctime) for s in (path.stat() for path in _all_files(files)))
    return time.time() - changed > SETTLED_SECONDS
