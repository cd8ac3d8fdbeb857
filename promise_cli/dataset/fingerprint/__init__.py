"""What the cases look like before anything is decided: shapes, spacings, the target's intensities, and what is wrong.

`verification` lists what is wrong with a case, `measurement` reads one case for both, `intensities` keeps the target's,
`source` knows a case by its content, `measurements` keeps all on disk, and `fingerprint` gathers them.
"""

from promise_cli.dataset.fingerprint.fingerprint import Fingerprint, LeftOut, make_fingerprint
from promise_cli.dataset.fingerprint.intensities import Histogram, Intensities
from promise_cli.dataset.fingerprint.measurement import (
    CaseFingerprint,
    Measurement,
    full_text,
    is_ct,
    measure_case,
    verify_case,
)
from promise_cli.dataset.fingerprint.measurements import Measured, Measurements, unusable
from promise_cli.dataset.fingerprint.source import Source, hash_source, is_unchanged
from promise_cli.dataset.fingerprint.verification import Problem, error_of

__all__ = [
    "CaseFingerprint",
    "Fingerprint",
    "Histogram",
    "Intensities",
    "LeftOut",
    "Measured",
    "Measurement",
    "Measurements",
    "Problem",
    "Source",
    "error_of",
    "full_text",
    "hash_source",
    "is_ct",
    "is_unchanged",
    "make_fingerprint",
    "measure_case",
    "unusable",
    "verify_case",
]
