"""Read and change the header of NRRD files, which is text in front of the voxels."""

import re
from dataclasses import dataclass
from pathlib import Path

_MOST = 1 << 20
_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"([ -9;-~]{1,40}):(?!=)(.*)", re.DOTALL)
_KEY = re.compile(rb"[^:]+:=")
_LONGEST = 1000
"""Largest number of bytes of a field; only the field `content` and keys with values may be longer."""
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class NrrdHeader:
    """The header of a NRRD file."""

    fields: dict[str, str]
    """Field name in lower case -> value, as written in the header."""
    offset: int | None
    """Position of the first voxel in the file, in bytes; None if no empty line ends the header."""
    after: list[str]
    """Lines after a field `data file` of value `LIST`, which are names of files; empty if there is no such field."""

    @property
    def data_files(self) -> list[str]:
        """Names of the other files that hold the voxels; empty if they are in the same file."""
        value = self.fields.get("data file", self.fields.get("datafile", ""))
        if value.upper().startswith("LIST"):
            return self.after
        return [value] if value else []

    @property
    def units(self) -> tuple[str, list[str]]:
        """Name of the field that gives the unit of lengths, and the unit of each axis. ITK's reader ignores it."""
        name = "space units" if "space units" in self.fields else "units"
        value = self.fields.get(name, "")
        return name, _WORD.findall(value) or value.split()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the header does not say, and what ITK's reader assumes instead."""
        notes = []
        directions = self.fields.get("space directions")
        spacings = self.fields.get("spacings", "").lower().split()
        lengths = sum(word != "nan" for word in spacings)
        known = lengths if directions is None else directions.count("(")
        if known < 3:
            notes.append(
                f"the header gives a spacing for {known} axes of 3; the spacing of the others, 1 mm, is a guess"
            )
        if "space" not in self.fields:
            notes.append(
                "the header has no field 'space' with the scan's orientation; left and right are a guess"
            )
        return tuple(notes)


def read_nrrd_header(path: Path) -> NrrdHeader:
    """Read the header of a NRRD file.

    Raises:
        ValueError: The file is not a NRRD file, or a line of its header is not a field. ITK's reader can crash on such
            lines.
    """
    with path.open("rb") as file:
        start = file.read(_MOST)
    if not start.startswith(b"NRRD"):
        raise ValueError("it does not begin with NRRD")
    end = _END.search(start)
    lines = start[: end.start() if end else len(start)].splitlines()
    fields: dict[str, str] = {}
    for number, line in enumerate(lines[1:], 2):
        if line.startswith(b"#") or _KEY.match(line):
            continue
        field = _FIELD.match(line)
        name = field[1].decode().strip().lower() if field else ""
        if field is None or (len(line) > _LONGEST and name != "content"):
            raise ValueError(f"line {number} of the header is not a field")
        fields[name] = field[2].decode("utf-8", errors="replace").strip()
        if name in ("data file", "datafile") and fields[name].upper().startswith("LIST"):
            files = [one.decode("utf-8", errors="replace").strip() for one in lines[number:]]
            return NrrdHeader(fields, end.end() if end else None, [one for one in files if one])
    return NrrdHeader(fields, end.end() if end else None, [])


def add_field(path: Path, line: str) -> None:
    """Add a line at the end of the header of a NRRD file."""
    content = path.read_bytes()
    end = _END.search(content)
    assert end is not None
    path.write_bytes(content[: end.start()] + b"\n" + line.encode() + content[end.start() :])
