"""Reader of `promise-points`, the project's own click file, in its short and its full form.

`points.schema.json` next to this file describes the same format as a JSON Schema. A test checks that the two agree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promise_cli.errors import PromptError, did_you_mean, shorten, shown
from promise_cli.prompts.click import (
    FOREGROUND,
    MAX_VALUE,
    ONE_LESION,
    SPACES,
    Click,
    Lesion,
    Space,
    check_cases,
    check_number,
)
from promise_cli.prompts.gather import Gathered
from promise_cli.prompts.values import BACKGROUND_WORDS, FOREGROUND_WORDS, is_coordinate, parse_sign
from promise_cli.volume import case_id, is_volume_file

FORMAT, VERSION = "promise-points", 1

_TOP = ("format", "version", "space", "cases", "note")
_CASE = ("space", "points", "objects", "file", "note")
_CASE_FIELDS = ("points", "objects", "file")
"""Fields that hold a case's clicks in the full form."""
_OBJECT = ("name", "value", "points", "note")
_POINT = ("xyz", "label", "note")

ReadFile = Callable[[str, str], tuple[Click, ...]]
"""Function that reads the clicks of a case from another click file, to which the case refers.

Its arguments are the case id and the name of that file, relative to the folder of the file that refers to it.
"""


@dataclass(frozen=True)
class _Case:
    """Case or object that is being read: its coordinate system, and its name in error messages."""

    space: Space
    where: str

    def refuse(self, message: str) -> PromptError:
        return PromptError(f"{self.where}: {message}")


def parse_points(content: Any, where: str, space: Space | None, read_file: ReadFile) -> Gathered:
    """Read the clicks of a parsed JSON file, by case. Errors within a case are noted for that case.

    Args:
        content: Parsed content of the file.
        where: Name of the file in error messages.
        space: Coordinate system of points if the file does not name it; None: `voxel`.
        read_file: Function that reads the click file to which a case refers.

    Raises:
        PromptError: The file as a whole is in neither form, or its coordinate system contradicts `space`.
    """
    if not isinstance(content, dict) or not content:
        raise PromptError(
            f'{where}: expected clicks by case, such as {{"case_001": [256, 301, 42]}}'
        )
    gathered = Gathered(where)
    if not (isinstance(content.get("format"), str) or isinstance(content.get("cases"), dict)):
        check_cases(len(content), where)
        _refuse_one_case(content, where)
        for key, value in content.items():
            _gather(gathered, key, value, space or "voxel", _short_case)
        return gathered
    _check_keys(content, _TOP, where)
    for key, expected in (("format", FORMAT), ("version", VERSION)):
        found = content.get(key)
        if found != expected or isinstance(found, bool):
            raise PromptError(
                f'{where}: the full form needs "format": "{FORMAT}" and "version": {VERSION}, found'
                f" {key} {shown(found)}"
            )
    chosen = _space(content, None, where)
    if chosen and space and chosen != space:
        raise PromptError(
            f"{where}: the file says space {chosen}, but --space says {space}; leave out --space or correct the file"
        )
    cases = content.get("cases")
    if not isinstance(cases, dict) or not cases:
        raise PromptError(f"{where}: cases must name at least one case, found {shown(cases)}")
    check_cases(len(cases), where)
    _note(content, where)

    def full_case(value: Any, case: _Case, name: str) -> tuple[Click, ...]:
        return _full_case(value, case, name, read_file)

    for key, value in cases.items():
        _gather(gathered, key, value, chosen or space or "voxel", full_case)
    return gathered


def _refuse_one_case(content: dict[str, Any], where: str) -> None:
    """Refuse a file whose keys are the fields of one case.

    In the short form, keys are names of cases, and their values hold clicks and no text.

    Raises:
        PromptError: The file holds the fields of one case. The message shows how to write it.
    """
    has_text = any(isinstance(value, str) for value in content.values())
    if not (has_text and "points" in content and content.keys() <= {"case", *_TOP, *_CASE}):
        return
    case = content.get("case")
    name = shorten(case) if isinstance(case, str) else "case_001"
    raise PromptError(
        f"{where}: {', '.join(content)} are fields of a case, but the file must name cases; write"
        f' {{"{name}": [[256, 301, 42]]}}, or in full {{"format": "{FORMAT}", "version": {VERSION},'
        f' "cases": {{"{name}": {{"points": [[256, 301, 42]]}}}}}}'
    )


def _gather(
    gathered: Gathered,
    key: str,
    value: Any,
    space: Space,
    parse: Callable[[Any, _Case, str], tuple[Click, ...]],
) -> None:
    name = case_id(Path(key)) if is_volume_file(Path(key)) else key.removesuffix("_0000")
    with gathered.case(name):
        clicks = parse(value, _Case(space, f"{gathered.where}: case {shorten(name)}"), name)
        gathered.add(name, clicks)


def _short_case(value: Any, case: _Case, name: str) -> tuple[Click, ...]:
    if name == "markups":
        raise case.refuse(
            "files of 3D Slicer have a field of this name; give the case in the full form"
        )
    if isinstance(value, dict) and (full := [key for key in value if key in _CASE_FIELDS]):
        raise case.refuse(
            f"the field {full[0]} needs the full form; write"
            f' {{"format": "{FORMAT}", "version": {VERSION}, "cases": {{...}}}} around all cases'
        )
    return _points(value, case, ONE_LESION)


def _full_case(value: Any, case: _Case, name: str, read_file: ReadFile) -> tuple[Click, ...]:
    if not isinstance(value, dict) or "xyz" in value:
        return _points(value, case, ONE_LESION)
    _check_keys(value, _CASE, case.where)
    _note(value, case.where)
    given = [key for key in _CASE_FIELDS if key in value]
    if len(given) != 1:
        raise case.refuse(
            f"needs exactly one of points, objects and file, found {' and '.join(given) or 'none'}"
        )
    case = _Case(_space(value, case.space, case.where) or case.space, case.where)
    if "file" in value:
        if not isinstance(value["file"], str) or not value["file"]:
            raise case.refuse(f"file must be the name of a file, found {shown(value['file'])}")
        if "space" in value:
            raise case.refuse(
                "has both file and space, but the file names its own coordinate system; leave out space"
            )
        return read_file(name, value["file"])
    if "points" in value:
        return _points(value["points"], case, ONE_LESION)
    found = value["objects"]
    if not isinstance(found, list) or not found:
        raise case.refuse(f"objects must be a list of at least one object, found {shown(found)}")
    check_number(len(found), case.where)
    return tuple(
        click for number, item in enumerate(found, 1) for click in _object(item, number, case)
    )


def _object(item: Any, number: int, case: _Case) -> tuple[Click, ...]:
    case = _Case(case.space, f"{case.where}: object {number}")
    if not isinstance(item, dict) or "points" not in item:
        raise case.refuse(f'expected {{"value": 1, "points": [...]}}, found {shown(item)}')
    _check_keys(item, _OBJECT, case.where)
    _note(item, case.where)
    name, value = item.get("name", ""), item.get("value", number)
    if not isinstance(name, str):
        raise case.refuse(f"name must be text, found {shown(name)}")
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    if not whole or not 1 <= value <= MAX_VALUE:
        raise case.refuse(
            f"value must be a whole number from 1 to {MAX_VALUE}, found {shown(value)}"
        )
    said = str(int(value)) if "value" in item else ""
    return _points(item["points"], case, Lesion(int(value), name, number, said))


def _points(value: Any, case: _Case, lesion: Lesion) -> tuple[Click, ...]:
    several = isinstance(value, list) and value and isinstance(value[0], list | dict)
    check_number(len(value) if several else 1, case.where)
    clicks = tuple(_point(point, case, lesion) for point in (value if several else [value]))
    if not any(click.sign == FOREGROUND for click in clicks):
        raise case.refuse("all clicks are background; add a foreground click on the target")
    return clicks


def _point(point: Any, case: _Case, lesion: Lesion) -> Click:
    xyz, sign = point, FOREGROUND
    if isinstance(point, dict):
        _check_keys(point, _POINT, case.where)
        _note(point, case.where)
        xyz, given = point.get("xyz"), point.get("label", FOREGROUND)
        words = (*FOREGROUND_WORDS, *BACKGROUND_WORDS)
        parsed = parse_sign(given)
        if parsed is None or (isinstance(given, str) and given not in words):
            raise case.refuse(
                f"label must be 1, 0, true, false or one of {', '.join(words)}, found"
                f" {shown(given)}"
            )
        sign = parsed
    if not isinstance(xyz, list) or len(xyz) != 3 or not all(map(is_coordinate, xyz)):
        raise case.refuse(f"expected a click [i, j, k] of three numbers, found {shown(point)}")
    return Click((float(xyz[0]), float(xyz[1]), float(xyz[2])), sign, case.space, lesion)


def _space(content: dict[str, Any], default: Space | None, where: str) -> Space | None:
    given = content.get("space", default)
    if "space" not in content or (isinstance(given, str) and given in SPACES):
        return given
    raise PromptError(f"{where}: unknown space {shown(given)}; use one of {', '.join(SPACES)}")


def _note(content: dict[str, Any], where: str) -> None:
    if not isinstance(content.get("note", ""), str):
        raise PromptError(f"{where}: note must be text, found {shown(content['note'])}")


def _check_keys(content: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in content:
        if key not in known:
            hint = did_you_mean(key, known, quoted=True) or f"; use {', '.join(known)}"
            raise PromptError(f"{where}: unknown field {shown(key)}{hint}")
