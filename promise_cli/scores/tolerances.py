"""Choice of the tolerances at which NSD is measured."""

import math
import re
from collections.abc import Sequence
from typing import Literal

from promise_cli.errors import EvaluationError

Protocol = Literal["promise", "msd"]

MOST_MM = 1000.0
"""Largest tolerance. It is longer than any scan, so that all surfaces lie within it of each other."""
PROMISE_TOLERANCES_MM = (5.0,)
"""Tolerance that the test scripts of ProMISe and 3DSAM-adapter use for every dataset."""
TRAINING_TOLERANCE_MM = 5.0
"""Tolerance with which promise-train scores test cases. Commands that read these scores look for this number."""
MSD_TOLERANCES_MM = {(3, "liver"): 7.0, (7, "pancreas"): 5.0, (10, "colon"): 4.0}
"""Tolerances in mm by number and name of the task, from Antonelli et al. 2022. No source is known for the other seven
tasks.
"""


def choose_tolerances(
    protocol: Protocol, asked: Sequence[float] | None, dataset: str | None
) -> tuple[float, ...]:
    """Return the tolerances in mm, in ascending order, that the protocol sets or the user asks for.

    Raises:
        EvaluationError: A tolerance is not between 0 and `MOST_MM`. Or the protocol is `msd`, and tolerances are given
            too or none is known for this dataset.
    """
    if protocol == "msd":
        if asked:
            raise EvaluationError("--protocol msd sets the tolerance itself; leave out --tolerance")
        return (_msd_tolerance(dataset),)
    for tolerance in asked or ():
        if not 0 <= tolerance < math.inf:
            raise EvaluationError(f"--tolerance {tolerance:g}: use a length in mm, 0 or more")
        if tolerance > MOST_MM:
            raise EvaluationError(f"--tolerance {tolerance:g}: use at most {MOST_MM:g} mm")
    return tuple(sorted({float(tolerance) for tolerance in asked or PROMISE_TOLERANCES_MM}))


def _msd_tolerance(dataset: str | None) -> float:
    match = re.fullmatch(r"(?:Task|Dataset)0*(\d+)_(\w+)", dataset or "", re.IGNORECASE)
    task = (int(match.group(1)), match.group(2).lower()) if match else None
    if task in MSD_TOLERANCES_MM:
        return MSD_TOLERANCES_MM[task]
    known = ", ".join(
        f"Task{number:02d}_{name.capitalize()} {tolerance:g} mm"
        for (number, name), tolerance in MSD_TOLERANCES_MM.items()
    )
    raise EvaluationError(
        f"--protocol msd: no published tolerance is known for {dataset or 'a dataset without a name'};"
        f" the known ones are {known}; use --tolerance instead"
    )
