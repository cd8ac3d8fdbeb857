"""Exceptions for errors that a user can fix.

A message is one line that says where, what was found and what to do. Only `cli` catches these exceptions, and it exits
with status 1. Programming errors are `ValueError` or `TypeError` and keep their traceback.
"""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest a similar name as the end of a message, `; did you mean tiny?`. Return an empty text if none is similar.

    Upper and lower case count as equal.
    """
    names = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), names, n=1)
    return f"; did you mean {names[near[0]]}?" if near else ""


class PromiseError(Exception):
    """Base class of all errors that a user can fix; `cli` shows them as one line."""


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


class StoppedError(PromiseError):
    """The user or the system ended a command early; the message says what is kept and how to continue."""
