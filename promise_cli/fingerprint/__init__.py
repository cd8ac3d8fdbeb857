"""What the cases look like before anything is decided: shapes, spacings, the target's intensities, and what is wrong.

`verification` lists what is wrong with a case, `measurement` reads one case for both, `intensities` keeps the target's,
and `fingerprint` gathers them.
"""

from promise_cli.fingerprint.fingerprint import Fingerprint, LeftOut, make_fingerprint
from promise_cli.fingerprint.intensities import Histogram, Intensities
from promise_cli.fingerprint.measurement import (
    CaseFingerprint,
    Measurement,
    full_text,
    is_ct,
    measure_case,
    verify_case,
)
from promise_cli.fingerprint.verification import Problem

__all__ = [
    "CaseFingerprint",
    "Fingerprint",
    "Histogram",
    "Intensities",
    "LeftOut",
    "Measurement",
    "Problem",
    "full_text",
    "is_ct",
    "make_fingerprint",
    "measure_case",
    "verify_case",
]
