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
    after: list[str]
    """Lines after the field `data file`, which are names of files if its value is `LIST`."""

    @property
    def data_files(self) -> list[str]:
        """Names of the other files that hold the voxels; empty if they are in the same file."""
        value = self.fields.get("data file", self.fields.get("datafile", ""))
        if value.upper().startswith("LIST"):
            return self.after
        return [value] if value else []

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
    fields: dict[str, str] = {}
    after: list[str] = []
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#") and not value.startswith("="):
            fields[name.strip().lower()] = value.strip()
        elif fields.keys() & {"data file", "datafile"} and line.strip():
            after.append(line.strip())
    return NrrdHeader(fields, end.end() if end else None, after)


def add_field(path: Path, line: str) -> None:
    """Add a line at the end of the header of a NRRD file."""
    content = path.read_bytes()
    end = _END.search(content)
    assert end is not None
    path.write_bytes(content[: end.start()] + b"\n" + line.encode() + content[end.start() :])
