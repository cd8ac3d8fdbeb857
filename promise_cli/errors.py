"""Everything that a user can put right, as exceptions.

A message says where, what was found and what to do, in one line. `cli` alone catches these and exits with status 1;
mistakes of the programmer stay `ValueError` or `TypeError` and keep their traceback.
"""


class PromiseError(Exception):
    """Base of all errors that a user can fix; `cli` shows them as one line."""


class DatasetError(PromiseError):
    """A dataset folder, or a scan or label in it, is not as expected."""


class VolumeError(DatasetError):
    """One image file cannot be read or written as a 3D volume."""


class PlanError(PromiseError):
    """A fingerprint, plan or other JSON record is missing, damaged or mistyped."""


class PromptError(PromiseError):
    """A click or a file of clicks does not fit the scans."""


class CheckpointError(PromiseError):
    """A checkpoint or a file of pretrained weights is missing, damaged or of another model."""


class WorkspaceError(PromiseError):
    """A dataset, run or set of predictions cannot be found, or more than one fits."""


class EvaluationError(PromiseError):
    """Predictions and labels cannot be compared."""


class StoppedError(PromiseError):
    """The user or the system ended a command early; the message says what is kept and how to go on."""
