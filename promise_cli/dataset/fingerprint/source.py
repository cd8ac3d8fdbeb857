"""What a case is made from, known by its content: image and label hashed, and hashed again only when they changed."""

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promise_cli.dataset.folder import CaseFiles
from promise_cli.volume import volume_files

SETTLED_SECONDS = 2.0
"""A file changed more recently may change again within the same tick of the disk's clock, and is not trusted."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Image and label as they were when they were hashed."""

    image_sha256: str
    label_sha256: str
    state: str
    """`state_of` the files when hashing began."""
    settled: bool
    """Whether they had last changed long enough before, so that a later change cannot leave the same state."""

    @property
    def key(self) -> str:
        """Hash of the files' content; their times do not matter."""
        return f"{self.image_sha256}-{self.label_sha256}"


def hash_source(files: CaseFiles) -> Source:
    """Read and hash image and label."""
    state, settled = state_of(files), _is_settled(files)
    return Source(
        image_sha256=hash_files(volume_files(files.image)),
        label_sha256=hash_files(volume_files(files.label)),
        state=state,
        settled=settled,
    )


def is_unchanged(files: CaseFiles, source: Source) -> bool:
    """Whether the files are as they were when they were hashed."""
    return state_of(files) == source.state


def state_of(files: CaseFiles) -> str:
    """Sizes and times of the files, which change whenever their content does.

    The time of the last change of a file's status cannot be set back, unlike that of its content.
    """
    stats = [path.stat() for path in _all_files(files)]
    text = " ".join(f"{s.st_size}.{s.st_mtime_ns}.{s.st_ctime_ns}.{s.st_ino}" for s in stats)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_files(paths: Sequence[Path]) -> str:
    """The SHA-256 of a file, as `sha256sum` shows it; of several, that of its list of them."""
    digests = []
    for path in paths:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0]
    whole = hashlib.sha256()
    for digest, path in zip(digests, paths, strict=True):
        whole.update(f"{digest}  ".encode() + os.fsencode(path.name) + b"\n")
    return whole.hexdigest()


def _all_files(files: CaseFiles) -> list[Path]:
    return [*volume_files(files.image), *volume_files(files.label)]


def _is_settled(files: CaseFiles) -> bool:
    changed = max(max(s.st_mtime, s.st_ctime) for s in (path.stat() for path in _all_files(files)))
    return time.time() - changed > SETTLED_SECONDS
