"""The file in which the measurements of one case are kept, one measurement for each of the last targets.

Plans of one dataset may have different targets. The latest measurement has plain names in the file, as it had in
versions that kept only one. The names of earlier ones begin with `earlier1_`, `earlier2_` and so on.
"""

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.fingerprint.intensities import Histogram
from promise_cli.dataset.fingerprint.measurement import CaseFingerprint
from promise_cli.dataset.fingerprint.source import Source
from promise_cli.dataset.fingerprint.verification import Problem
from promise_cli.disk.atomic import whole_file
from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.disk.regular import check_regular, check_stored
from promise_cli.jobs import signals_held

MOST_TARGETS = 8
"""Largest number of measurements in a file. The oldest ones are left out when a new one is written."""


@dataclass(frozen=True, kw_only=True)
class MeasurementRecord:
    """The part of a measurement that is kept as JSON."""

    key: str
    """Hash of everything that the measurement depends on besides the content of the case's files."""
    source: Source
    problems: tuple[Problem, ...]
    case: CaseFingerprint
    mean: float
    variance: float
    further: tuple[tuple[float, float], ...] = ()
    """Mean and variance of the target's intensities in each channel after the first."""


@dataclass(frozen=True, eq=False)
class Kept:
    """One measurement of the file."""

    record: MeasurementRecord
    targets: tuple[Histogram, ...]
    """Intensities of the target in each channel."""


def read_kept(path: Path, key: str) -> Kept | None:
    """Return the measurement with this key; None if the file does not hold it.

    Raises:
        Exception: The file is missing, damaged or too large. Damage leads to errors of many kinds.
    """
    return next(iter(_read(path, lambda record: record.key == key)), None)


def write_kept(path: Path, kept: Kept) -> None:
    """Add a measurement to the file, in front of earlier ones that have other keys and belong to the same files."""
    own = kept.record

    def is_other(record: MeasurementRecord) -> bool:
        return record.key != own.key and record.source.key == own.source.key

    try:
        earlier = _read(path, is_other)
    except Exception:  # a damaged file can be made again
        earlier = []
    arrays: dict[str, NDArray[Any]] = {}
    for prefix, one in zip(_prefixes(), (kept, *earlier[: MOST_TARGETS - 1]), strict=False):
        text = json.dumps(record_to_json(one.record))
        arrays[f"{prefix}record"] = np.array(text)
        for end, target in zip(_ends(len(one.targets)), one.targets, strict=True):
            arrays[f"{prefix}values{end}"] = target.values
            arrays[f"{prefix}counts{end}"] = target.counts
    # zipfile prints errors if a signal interrupts it while it writes
    with signals_held(signal.SIGINT, signal.SIGTERM), whole_file(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def _read(path: Path, wanted: Callable[[MeasurementRecord], bool]) -> list[Kept]:
    """Return the wanted measurements of the file, the latest first. Arrays of the others are not read."""
    check_regular(path)
    check_stored(path)
    found = []
    with np.load(path, allow_pickle=False) as content:
        for prefix in _prefixes():
            if f"{prefix}record" not in content:
                break
            text = str(content[f"{prefix}record"])
            record: MeasurementRecord = record_from_json(MeasurementRecord, json.loads(text), "")
            if wanted(record):
                found.append(Kept(record, _targets(content, prefix, record)))
    return found


def _targets(
    content: Mapping[str, NDArray[Any]], prefix: str, record: MeasurementRecord
) -> tuple[Histogram, ...]:
    """Read the histograms of a measurement.

    Raises:
        ValueError: The arrays cannot be those of a histogram.
    """
    moments = [(record.mean, record.variance), *record.further]
    targets = []
    for end, numbers in zip(_ends(len(moments)), moments, strict=True):
        values, counts = content[f"{prefix}values{end}"], content[f"{prefix}counts{end}"]
        if not _is_histogram(values, counts):
            raise ValueError("no histogram")
        targets.append(Histogram(values, counts, *numbers))
    return tuple(targets)


def _prefixes() -> Iterator[str]:
    """Yield the beginnings of the names of each measurement in the file. The latest measurement's is empty."""
    yield ""
    for number in range(1, MOST_TARGETS):
        yield f"earlier{number}_"


def _ends(number: int) -> list[str]:
    """Return the ends of the names under which the channels' histograms are kept. The first channel's is empty."""
    return ["", *(str(channel) for channel in range(1, number))]


def _is_histogram(values: NDArray[Any], counts: NDArray[Any]) -> bool:
    """Whether two arrays can be the values and counts of a histogram."""
    return bool(
        values.dtype == np.float64
        and counts.dtype == np.int64
        and values.ndim == 1
        and values.shape == counts.shape
        and values.size
        and np.isfinite(values).all()
        and (np.diff(values) > 0).all()
        and counts.min() > 0
    )
