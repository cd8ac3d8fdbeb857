"""At which tolerances NSD is measured."""

import math
import re
from collections.abc import Sequence
from typing import Literal

from promise_cli.errors import EvaluationError

Protocol = Literal["promise", "msd"]

MOST_MM = 1000.0
"""Longer than any scan; within it all surfaces are near each other."""
PROMISE_TOLERANCES_MM = (5.0,)
"""The test scripts of ProMISe and 3DSAM-adapter take 5 mm for every dataset."""
MSD_TOLERANCES_MM = {(3, "liver"): 7.0, (7, "pancreas"): 5.0, (10, "colon"): 4.0}
"""Antonelli et al. 2022; the other seven tasks wait for a source."""


def choose_tolerances(
    protocol: Protocol, asked: Sequence[float] | None, dataset: str | None
) -> tuple[float, ...]:
    """The tolerances in mm, ascending, that a protocol or the user asks for.

    Raises:
        EvaluationError: A tolerance is no length, or the protocol has none for this dataset.
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
        f"--protocol msd: no tolerance with a source for {dataset or 'a dataset without a name'};"
        f" known are {known}; use --tolerance"
    )
