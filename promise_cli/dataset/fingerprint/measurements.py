"""Keep the measurements of cases on disk.

A case is read again only if its files or the wanted measurements have changed. The measurements are only a cache: their
folder may be deleted at any time. Several commands, also on several machines, may fill the same folder together.
"""

import hashlib
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.fingerprint.intensities import Histogram
from promise_cli.dataset.fingerprint.measurement import CaseFingerprint, Measurement, verify_case
from promise_cli.dataset.fingerprint.source import Source, hash_source, is_unchanged
from promise_cli.dataset.fingerprint.verification import Problem, error_of
from promise_cli.dataset.folder import CaseFiles, Dataset, Labels
from promise_cli.dataset.objects import TargetObject
from promise_cli.disk.atomic import whole_file
from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.disk.regular import check_regular, check_stored
from promise_cli.jobs import claim, signals_held

VERSION = 4
"""Version of the measurements. Increase it when cases are measured or verified in another way."""


@dataclass(frozen=True, eq=False)
class Measured:
    """The measurement of one case, with the hashes of its files at that time."""

    files: CaseFiles
    source: Source
    measurement: Measurement


@dataclass(frozen=True, kw_only=True)
class _Record:
    key: str
    source: Source
    problems: tuple[Problem, ...]
    case: CaseFingerprint
    mean: float
    variance: float
    further: tuple[tuple[float, float], ...] = ()
    """Mean and variance of the target's intensities in each channel after the first."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """The folder with the measurements of one dataset.

    Only usable cases are kept there, since a case may be bad only because the disk failed or memory ran out.
    """

    folder: Path
    dataset: Dataset
    target_label: Labels
    objects: tuple[TargetObject, ...] = ()
    """Objects that form the target; empty for one target."""

    def find(self, files: CaseFiles) -> Measured | None:
        """Return the kept measurement of a case; None if there is none or its files may have changed since."""
        try:
            kept = self._load(files)
            if kept is not None and kept.source.settled and is_unchanged(files, kept.source):
                return kept
        except OSError:
            pass
        return None

    def measure(self, files: CaseFiles, *, wait: bool) -> Measured | None:
        """Return the measurement of a case; read its files only if no current measurement is kept.

        Args:
            files: Image and label of the case.
            wait: Whether to wait for another command that measures the same case.

        Returns:
            The measurement; None if another command measures the case and `wait` is false.
        """
        with claim(self.folder / "locks" / f"{files.case_id}.measure", wait=wait) as held:
            if held is False:
                return None
            if (known := self.find(files)) is not None:
                return known
            try:
                source = hash_source(files)
            except OSError as error:
                place = error.filename or files.image
                text = f"{place}: {error.strerror or error}; check its permissions and the disk"
                return unusable(self.dataset, files, text)
            kept = self._load(files)
            if kept is not None and kept.source.key == source.key:
                measured = Measured(files, source, kept.measurement)
            else:
                case = verify_case(files, self.dataset, self.target_label, self.objects)
                measured = Measured(files, source, case)
                if not is_unchanged(files, source):
                    text = f"{files.image}: it or its label changed while it was read; run again"
                    return unusable(self.dataset, files, text)
            self._save(measured)
            return measured

    def _path(self, files: CaseFiles) -> Path:
        return self.folder / "measured" / f"{files.case_id}.npz"

    def _key(self, files: CaseFiles) -> str:
        """Return a hash of everything that a measurement depends on besides the content of the files."""
        labels = {str(value): name for value, name in self.dataset.labels.items()}
        names = [
            str(path).removeprefix(f"{self.dataset.folder}/")
            for path in (*files.images, files.label)
        ]
        content: list[Any] = [VERSION, self.target_label, labels, self.dataset.modality, names]
        if self.dataset.further_channels:
            content.append(self.dataset.further_channels)
        if self.objects or self.dataset.regions:
            content.append([self.dataset.regions, record_to_json(self.objects)])
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _load(self, files: CaseFiles) -> Measured | None:
        try:
            check_regular(self._path(files))
            check_stored(self._path(files))
            with np.load(self._path(files), allow_pickle=False) as content:
                record: _Record = record_from_json(_Record, json.loads(str(content["record"])), "")
                moments = [(record.mean, record.variance), *record.further]
                targets = [
                    Histogram(content[f"values{end}"], content[f"counts{end}"], *numbers)
                    for end, numbers in zip(_ends(len(moments)), moments, strict=True)
                ]
        except Exception:  # a damaged file leads to errors of many kinds, and can be made again
            return None
        sound = all(_is_histogram(target.values, target.counts) for target in targets)
        if record.key != self._key(files) or not sound:
            return None
        if len(targets) != len(self.dataset.channels):
            return None
        first, *further = targets
        measurement = Measurement(record.problems, record.case, first, tuple(further))
        return Measured(files, record.source, measurement)

    def _save(self, measured: Measured) -> None:
        case, target = measured.measurement.case, measured.measurement.target
        if case is None or target is None:
            return
        record = _Record(
            key=self._key(measured.files),
            source=measured.source,
            problems=measured.measurement.problems,
            case=case,
            mean=target.mean,
            variance=target.variance,
            further=tuple((one.mean, one.variance) for one in measured.measurement.further),
        )
        text = json.dumps(record_to_json(record))
        path = self._path(measured.files)
        targets = (target, *measured.measurement.further)
        arrays: dict[str, NDArray[Any]] = {}
        for end, one in zip(_ends(len(targets)), targets, strict=True):
            arrays |= {f"values{end}": one.values, f"counts{end}": one.counts}
        # zipfile prints errors if a signal interrupts it while it writes
        with signals_held(signal.SIGINT, signal.SIGTERM), whole_file(path) as temporary:
            np.savez(temporary, allow_pickle=False, record=np.array(text), **arrays)


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


def unusable(dataset: Dataset, files: CaseFiles, text: str) -> Measured:
    """Return the measurement of a case that could not be read, with `text` as its only error."""
    nothing = Source(image_sha256="", label_sha256="", state="", settled=False)
    return Measured(files, nothing, Measurement((error_of(dataset, text),), None, None))
