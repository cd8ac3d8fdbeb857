"""Describes why cases have no mask."""

import traceback
from pathlib import Path

from promise_cli.console import fail
from promise_cli.disk.reasons import explain
from promise_cli.errors import MOST_LISTED, PromiseError, PromptError, memory_reason
from promise_cli.predict.inputs import Inputs
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predict.predictions_file import save_failures
from promise_cli.predictions.record import Failure


def without_click(inputs: Inputs, listed: set[str]) -> list[Failure]:
    """Return an entry for each scan that has no click and is not in `listed`."""
    return [
        Failure(case_id=case, reason=f"{inputs.where}: no click for {inputs.scans[case]}; add one")
        for case in inputs.without_click
        if case not in listed
    ]


def reason_of(error: Exception) -> str:
    """Describe an error in one line. An unexpected error is described with its place in the code."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, PromiseError):
        return explain(error)
    if isinstance(error, MemoryError):
        return memory_reason(error)
    if isinstance(error, PromiseError | OSError) or "memory" in str(error).lower():
        return " ".join(str(error).split()) or type(error).__name__
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} in {Path(last.filename).name}:{last.lineno}:"
        f" {' '.join(str(error).split())}; please report it"
    )


def all_failed(request: PredictRequest, folder: Path, inputs: Inputs) -> PromiseError:
    """Show the reasons of the first cases, and return the error that ends the command.

    The error is the last reason. If there are too many reasons to show, it gives the number of the others instead.
    """
    if request.shard or folder.is_dir():  # other shards, and users who look there, need the reasons
        save_failures(folder, inputs.failures, inputs.attempted if request.shard else None)
    *others, last = inputs.failures
    for failure in others[:MOST_LISTED]:
        fail(failure.reason)
    if len(others) <= MOST_LISTED:
        return PromptError(last.reason)
    number = len(inputs.failures) - MOST_LISTED
    return PromptError(
        f"{inputs.where}: {number} more cases cannot be predicted; correct those above first"
    )
