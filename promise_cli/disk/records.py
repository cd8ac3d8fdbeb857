"""Store frozen dataclasses as JSON files that a person can read and edit.

A typo must not pass silently. An unknown field, a missing field or a value of the wrong type is an error that names the
field.
"""

import dataclasses
import json
import math
import re
import types
import typing
from collections import Counter
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from promise_cli.disk.atomic import write_text
from promise_cli.disk.regular import check_regular
from promise_cli.errors import PlanError, did_you_mean, shorten, shown

R = TypeVar("R")

MOST_BYTES = 1 << 28
"""Largest size of a JSON file. Its content takes about ten times as much memory."""
_NUMBERS = re.compile(r"\[\n[^\[\]{}\"]*\]")
"""Pattern of an indented list of numbers; such a list is written on one line."""

_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    tuple: "a list",
    dict: "an object",
}
"""Names of Python's types in error messages about JSON."""


def save_record(record: Any, path: Path) -> None:
    """Write a dataclass instance as indented JSON, whole or not at all. NaN and infinity become null."""
    write_text(path, record_text(record))


def record_text(record: Any) -> str:
    """Return the text of the file that `save_record` writes."""
    text = json.dumps(record_to_json(record), indent=2, ensure_ascii=False)
    return _NUMBERS.sub(lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n"


def load_record(record_type: type[R], path: Path) -> R:
    """Read a record that `save_record` wrote.

    Raises:
        PlanError: The file is missing, is not JSON, or has an unknown, missing or mistyped field.
    """
    return record_from_json(record_type, load_json(path), where=str(path))


def load_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        PlanError: The file is missing, not readable or not valid JSON. The message names the file and what is wrong.
    """
    try:
        check_regular(path, MOST_BYTES)
        content = path.read_bytes()
        text = content.decode(json.detect_encoding(content))  # UTF-8, UTF-16 or UTF-32
        return json.loads(text, object_pairs_hook=_unique)
    except FileNotFoundError:
        raise PlanError(f"{path}: no such file") from None
    except OSError as error:
        raise PlanError(
            f"{path}: not readable ({error.strerror}); check the path and its permissions"
        ) from None
    except (ValueError, RecursionError) as error:
        raise PlanError(
            f"{path}: not readable as JSON ({error}); fix or recreate the file"
        ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return one JSON object as a dict; refuse a name that occurs twice, of which `json` would keep the last value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"'{shorten(twice)}' is named twice")
    return found


def record_to_json(value: Any) -> Any:
    """Convert a value to types that `json` writes.

    Dataclasses become dicts, tuples become lists, paths become texts, NaN and infinity become None.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: record_to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): record_to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [record_to_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value


def record_from_json(expected: Any, value: Any, where: str) -> Any:
    """Build a value of a given type from parsed JSON.

    Args:
        expected: A dataclass, or the type of one of its fields.
        value: The parsed JSON.
        where: File and field of the value, for messages.

    Raises:
        PlanError: The value is not of this type.
    """
    origin, arguments = get_origin(expected), get_args(expected)
    if dataclasses.is_dataclass(expected) and isinstance(expected, type):
        return _dataclass_from_json(expected, value, where)
    if origin in (types.UnionType, typing.Union):
        return _union_from_json(arguments, value, where)
    if origin is Literal:
        if type(value) in {type(argument) for argument in arguments} and value in arguments:
            return value
        raise PlanError(
            f"{where}: found {_as_in_json(value)}; use one of {', '.join(map(str, arguments))}"
        )
    if origin is dict and isinstance(value, dict):
        return {
            key: record_from_json(arguments[1], item, f"{where}: {key}")
            for key, item in value.items()
        }
    if origin is tuple and isinstance(value, list):
        return _tuple_from_json(arguments, value, where)
    if expected is float and isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value, where)
    if expected is int and type(value) is int and abs(value) >= 1 << 63:
        raise PlanError(f"{where}: expected a whole number of less than 19 digits")
    if isinstance(expected, type) and type(value) is expected:
        return value
    raise PlanError(
        f"{where}: expected {_NAMES.get(origin or expected, expected)}, found {_as_in_json(value)}"
    )


def _as_in_json(value: Any) -> str:
    """Format a value for a message as its file writes it: `true`, `false` and `null` instead of Python's words."""
    return json.dumps(value) if value is None or isinstance(value, bool) else shown(value)


def _finite(value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PlanError(f"{where}: expected a finite number, found {number}")
    return number


def _dataclass_from_json(expected: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise PlanError(
            f"{where}: expected an object with named fields, found {_as_in_json(value)}"
        )
    hints = typing.get_type_hints(expected)
    fields = {f.name: f for f in dataclasses.fields(expected)}
    for name in value:
        if name not in fields:
            raise PlanError(
                f"{where}: unknown field {shown(name)}{did_you_mean(str(name), fields, quoted=True)}"
            )
    missing = [
        name
        for name, f in fields.items()
        if name not in value
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise PlanError(f"{where}: missing field '{missing[0]}'; add it or recreate the file")
    items = {
        name: record_from_json(hints[name], item, f"{where}: {name}")
        for name, item in value.items()
    }
    try:
        return expected(**items)
    except (ValueError, ArithmeticError) as error:
        raise PlanError(f"{where}: {error}") from None


def _union_from_json(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    choices = [argument for argument in arguments if argument is not type(None)]
    for choice in choices[:-1]:
        try:
            return record_from_json(choice, value, where)
        except PlanError:
            continue
    return record_from_json(choices[-1], value, where)


def _tuple_from_json(arguments: tuple[Any, ...], value: list[Any], where: str) -> Any:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(
            record_from_json(arguments[0], item, f"{where}[{n}]") for n, item in enumerate(value)
        )
    if len(arguments) != len(value):
        raise PlanError(f"{where}: expected {len(arguments)} values, found {len(value)}")
    pairs = zip(arguments, value, strict=True)
    return tuple(
        record_from_json(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(pairs)
    )
