"""Keep the measurements of cases on disk.

A case is read again only if its files or the wanted measurements have changed. The measurements are only a cache: their
folder may be deleted at any time. Several commands, also on several machines, may fill the same folder together.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promise_cli.dataset.fingerprint.measurement import Measurement, verify_case
from promise_cli.dataset.fingerprint.measurement_file import (
    Kept,
    MeasurementRecord,
    read_kept,
    write_kept,
)
from promise_cli.dataset.fingerprint.source import Source, hash_source, is_unchanged
from promise_cli.dataset.fingerprint.verification import error_of
from promise_cli.dataset.folder import CaseFiles, Dataset, Labels
from promise_cli.dataset.objects import TargetObject
from promise_cli.disk.records import record_to_json
from promise_cli.jobs import claim

VERSION = 4
"""Version of the measurements. Increase it when cases are measured or verified in another way."""
VERSION_OF_CHANNELS = 2
"""The same for scans of several channels alone, so that measurements of other scans stay valid."""


@dataclass(frozen=True, eq=False)
class Measured:
    """The measurement of one case, with the hashes of its files at that time."""

    files: CaseFiles
    source: Source
    measurement: Measurement


@dataclass(frozen=True, eq=False)
class Measurements:
    """The folder with the measurements of one dataset, for one target. Other targets' are kept there, too.

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
            content += [self.dataset.further_channels, VERSION_OF_CHANNELS]
        if self.objects or self.dataset.regions:
            content.append([self.dataset.regions, record_to_json(self.objects)])
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _load(self, files: CaseFiles) -> Measured | None:
        key = self._key(files)
        try:
            kept = read_kept(self._path(files), key)
        except Exception:  # a damaged file leads to errors of many kinds, and can be made again
            return None
        if kept is None or len(kept.targets) != len(self.dataset.channels):
            return None
        first, *further = kept.targets
        record = kept.record
        measurement = Measurement(record.problems, record.case, first, tuple(further))
        return Measured(files, record.source, measurement)

    def _save(self, measured: Measured) -> None:
        found = measured.measurement
        if found.case is None or found.target is None:
            return
        record = MeasurementRecord(
            key=self._key(measured.files),
            source=measured.source,
            problems=found.problems,
            case=found.case,
            mean=found.target.mean,
            variance=found.target.variance,
            further=tuple((one.mean, one.variance) for one in found.further),
        )
        write_kept(self._path(measured.files), Kept(record, (found.target, *found.further)))


def unusable(dataset: Dataset, files: CaseFiles, text: str) -> Measured:
    """Return the measurement of a case that could not be read, with `text` as its only error."""
    nothing = Source(image_sha256="", label_sha256="", state="", settled=False)
    return Measured(files, nothing, Measurement((error_of(dataset, text),), None, None))
