"""Exceptions for errors that a user can fix.

A message is one line that says where, what was found and what to do. Only `cli` catches these exceptions, and it exits
with status 1. Programming errors are `ValueError` or `TypeError` and keep their traceback.

Messages stay short however much is wrong: `listed` names the first of many things, and `shown` cuts a long value.
"""

import difflib
import reprlib
from collections.abc import Iterable

MOST_LISTED = 10
"""Largest number of things that a message names; it counts the others."""

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 60


def listed(things: Iterable[object], most: int = MOST_LISTED) -> str:
    """Return the first things, separated by commas, and how many more there are."""
    names = [shorten(str(thing)) for thing in things]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def shorten(name: str) -> str:
    """Put a name on one line for a message. A name of more than 200 characters is cut."""
    line = " ".join(name.split())
    return line if len(line) <= 200 else f"{line[:100]}..."


def format_bytes(number: float) -> str:
    """Return a number of bytes as messages show it, such as `3.2 GB`."""
    if number >= 1e14:
        return f"{number:.1e} bytes"
    if number < 1e6:
        return f"{number / 1e3:.0f} kB"
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.0f} MB"


def shown(value: object) -> str:
    """Quote a value from a file for a message, on one line and shortened."""
    return _repr.repr(value)


def did_you_mean(
    name: str, known: Iterable[str], *, quoted: bool = False, cutoff: float = 0.6
) -> str:
    """Suggest a similar name as the end of a message, `; did you mean tiny?`. Return an empty text if none is similar.

    Upper and lower case count as equal.

    Args:
        name: The name that is not known.
        known: All names that are.
        quoted: Whether to quote the suggested name, as messages about fields of a file do.
        cutoff: Least similarity, 0 to 1.
    """
    names = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=cutoff)
    if not near:
        return ""
    quote = "'" if quoted else ""
    return f"; did you mean {quote}{names[near[0]]}{quote}?"


def memory_reason(error: BaseException) -> str:
    """Say that memory ran out and what to do. The message of numpy names an array alone."""
    found = " ".join(str(error).split())
    if "memory" in found.lower():
        return found
    return f"not enough memory{f' ({found})' if found else ''}; use a machine with more memory, or close other programs"


def printable(text: str) -> str:
    """Escape what a terminal would not show as it is: control characters, line breaks, marks that turn text around.

    Names from files could otherwise change what a terminal shows. Text that no encoding can hold is escaped, too.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode()
        for char in text
    )


def on_one_line(text: str) -> str:
    """Return a text as one line that a terminal shows as it is. Runs of white space become single spaces."""
    return printable(" ".join(text.split()))


class PromiseError(Exception):
    """Base class of all errors that a user can fix. Its text is one line, whatever names and values from files hold."""

    def __str__(self) -> str:
        return on_one_line(super().__str__())


class DatasetError(PromiseError):
    """A dataset folder, or a scan or label file in it, is not as expected."""


class VolumeError(DatasetError):
    """An image file cannot be read or written as a 3D volume."""


class PlanError(PromiseError):
    """A fingerprint, plan or other JSON record is missing, damaged or mistyped."""


class PromptError(PromiseError):
    """A click or a file of clicks does not fit the scans."""


class CheckpointError(PromiseError):
    """A checkpoint or a file of pretrained weights is missing or damaged, or belongs to another model."""


class WorkspaceError(PromiseError):
    """A dataset, run or set of predictions cannot be found, or several fit."""


class EvaluationError(PromiseError):
    """Predictions and labels cannot be compared."""


class PackageError(PromiseError):
    """A package of an optional extra is not installed."""


class StoppedError(PromiseError):
    """The user or the system ended a command early; the message says what is kept and how to continue."""
