"""Measure and verify the cases of a dataset before a plan is made: shapes, spacings and intensities of the target.

`measurement` reads one case, measures it and verifies it. `verification` and `air` hold the checks, `intensities` the
histogram of the target's intensities. `source` hashes the files of a case, so that only changed files are read again.
`measurements` and `measurement_file` keep the results on disk, and `fingerprint` gathers them in one record.
"""

from promise_cli.dataset.fingerprint.air import IN_AIR, background_below
from promise_cli.dataset.fingerprint.fingerprint import (
    ChannelFingerprint,
    Fingerprint,
    LeftOut,
    make_fingerprint,
)
from promise_cli.dataset.fingerprint.intensities import Histogram, Intensities
from promise_cli.dataset.fingerprint.measurement import (
    CaseFingerprint,
    Measurement,
    full_text,
    measure_case,
    verify_case,
)
from promise_cli.dataset.fingerprint.measurements import Measured, Measurements, unusable
from promise_cli.dataset.fingerprint.source import Source, hash_files, hash_source, is_unchanged
from promise_cli.dataset.fingerprint.verification import (
    Problem,
    check_intensities,
    error_of,
)

__all__ = [
    "IN_AIR",
    "CaseFingerprint",
    "ChannelFingerprint",
    "Fingerprint",
    "Histogram",
    "Intensities",
    "LeftOut",
    "Measured",
    "Measurement",
    "Measurements",
    "Problem",
    "Source",
    "background_below",
    "check_intensities",
    "error_of",
    "full_text",
    "hash_files",
    "hash_source",
    "is_unchanged",
    "make_fingerprint",
    "measure_case",
    "unusable",
    "verify_case",
]
