"""Read and change the header of NRRD files, which is text in front of the voxels."""

import re
from dataclasses import dataclass
from pathlib import Path

_MOST = 1 << 20
_END = re.compile(rb"\r?\n\r?\n")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class NrrdHeader:
    """The header of a NRRD file."""

    fields: dict[str, str]
    """Field name in lower case -> value, as written in the header."""
    offset: int | None
    """Position of the first voxel in the file, in bytes; None if no empty line ends the header."""

    def words(self, name: str) -> list[str]:
        """Return the texts of a field that holds one quoted text for each axis; empty if the field is missing."""
        value = self.fields.get(name, "")
        return _WORD.findall(value) or value.split()


def read_nrrd_header(path: Path) -> NrrdHeader:
    """Read the header of a NRRD file. Any other file gives fields without a meaning, or none."""
    with path.open("rb") as file:
        start = file.read(_MOST)
    end = _END.search(start)
    text = start[: end.start() if end else len(start)].decode("utf-8", errors="replace")
    fields = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#") and not value.startswith("="):
            fields[name.strip().lower()] = value.strip()
    return NrrdHeader(fields, end.end() if end else None)


def add_field(path: Path, line: str) -> None:
    """Add a line at the end of the header of a NRRD file."""
    content = path.read_bytes()
    end = _END.search(content)
    assert end is not None
    path.write_bytes(content[: end.start()] + b"\n" + line.encode() + content[end.start() :])
