"""Convert the lengths of a file header to millimetres, and question scans of an unlikely size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import VolumeError, shown
from promise_cli.geometry.grid import Grid, Shape, format_spacing

LIKELY_MM = (20.0, 3000.0)
"""Shortest and longest likely length in mm of a scan's longest edge; any other length is questioned."""
_POSSIBLE_MM = (1.0, 10_000.0)
"""Range of the longest edge in mm outside of which a unit other than mm is not believed."""

_NAMES = {
    "nm": "nm nanometer nanometre nanometers nanometres",
    "um": "um \N{MICRO SIGN}m \N{GREEK SMALL LETTER MU}m micron microns micrometer micrometre micrometers micrometres",
    "mm": "mm millimeter millimetre millimeters millimetres",
    "cm": "cm centimeter centimetre centimeters centimetres",
    "m": "m meter metre meters metres",
    "inch": "in inch inches",
}
_UNITS = {word: unit for unit, words in _NAMES.items() for word in words.split()}
_MM = {"nm": 1e-6, "um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4}
_UNNAMED = ("", "none", "unknown", "?", "???")
"""Words that leave the unit open. Numbers without a unit are millimetres."""


@dataclass(frozen=True)
class Unit:
    """Unit of the lengths in a file's header."""

    name: str = "mm"
    field: str = ""
    """Name of the header's field that gives the unit; empty if there is none."""
    unknown: str = ""
    """Unit that the header gives, if it is not a length that is known here. The numbers then count as mm."""

    @property
    def mm(self) -> float:
        """Length of the unit in mm."""
        return _MM[self.name]


MILLIMETRE = Unit()


def unit_of(names: Sequence[str], field: str, path: Path) -> Unit:
    """Return the unit that a header names for its axes.

    Args:
        names: Unit of each axis as written in the header; empty if the header gives none.
        field: Name of the header's field, for messages.
        path: The file, for messages.

    Raises:
        VolumeError: The axes have different units.
    """
    given = [name.strip() for name in names]
    given = [name for name in given if name.lower() not in _UNNAMED]
    units = {_UNITS[name.lower()] for name in given if name.lower() in _UNITS}
    if len(units) > 1:
        raise VolumeError(
            f"{path}: the header's field {field!r} gives its axes different units ({', '.join(given)}); write all"
            " lengths in one unit"
        )
    unknown = next((name for name in given if name.lower() not in _UNITS), "")
    return Unit(units.pop() if units else "mm", field, " ".join(unknown.split())[:40])


def affine_in_mm(affine: NDArray[np.float64], unit: Unit) -> NDArray[np.float64]:
    """Convert an affine (4, 4), whose lengths are in this unit, to millimetres."""
    return np.diag([unit.mm, unit.mm, unit.mm, 1.0]) @ affine if unit.mm != 1 else affine


def affine_in_unit(affine: NDArray[np.float64], unit: Unit) -> NDArray[np.float64]:
    """Convert an affine (4, 4) from millimetres to this unit. This is the inverse of `affine_in_mm`."""
    return affine / np.array([[unit.mm]] * 3 + [[1.0]]) if unit.mm != 1 else affine


def check_unit(shape: Shape, affine: NDArray[np.float64], unit: Unit, path: Path) -> None:
    """Refuse a unit in which the scan would have a size that no scan has.

    Headers often name a unit although their numbers are millimetres.

    Args:
        shape: Voxels along each axis.
        affine: Affine (4, 4) as the header gives it, in `unit`.
        unit: Unit that the header names.
        path: The file, for messages.

    Raises:
        VolumeError: The scan is impossible in this unit, or likely only if its numbers are millimetres.
    """
    if unit.mm == 1:
        return
    edges = np.sqrt((affine[:3, :3] ** 2).sum(axis=0)) * np.array(shape)
    as_mm, converted = float(edges.max()), float(edges.max() * unit.mm)
    believed = _within(converted, LIKELY_MM) or not _within(as_mm, LIKELY_MM)
    if not (believed and _within(converted, _POSSIBLE_MM)):
        raise VolumeError(
            f"{path}: the header's field {unit.field!r} says {unit.name}, but then the scan is"
            f" {format_spacing(edges * unit.mm)} wide ({format_spacing(edges)} if its numbers are millimetres);"
            " correct the unit in the header"
        )


def unit_note(grid: Grid, unit: Unit) -> tuple[str, ...]:
    """Return a note if lengths were converted, or if the header's unit is not known; otherwise nothing."""
    notes = []
    if unit.mm != 1:
        notes.append(
            f"the header's unit is {unit.name}; its numbers were converted to millimetres, to voxels of"
            f" {format_spacing(grid.spacing)}"
        )
    if unit.unknown:
        notes.append(
            f"the header's field {unit.field!r} gives the unit {shown(unit.unknown)}, which is not a known length; its"
            f" numbers are read as {unit.name}"
        )
    return tuple(notes)


def size_question(grid: Grid) -> tuple[str, ...]:
    """Return a question about a scan whose longest edge is unlikely for a scan; otherwise nothing."""
    edges = np.array(grid.spacing) * np.array(grid.shape)
    longest = float(edges.max())
    if _within(longest, LIKELY_MM):
        return ()
    meant = [
        unit for unit in ("um", "cm", "m") if _within(longest * _MM[unit], LIKELY_MM)
    ]  # the unit that would make it a scan of the usual size
    hint = f"; are the numbers in the header {meant[-1]} instead of mm?" if meant else ""
    return (
        f"the scan is {format_spacing(edges)} wide, where scans are 20 mm to 3 m{hint or '; is its spacing right?'}",
    )


def _within(length: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= length <= bounds[1]
