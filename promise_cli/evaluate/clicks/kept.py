"""Finished cases of a study, which are kept on the disk so that a study that was stopped can continue."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promise_cli.dataset.folder import CaseFiles
from promise_cli.disk.records import load_record, record_to_json, save_record
from promise_cli.errors import PlanError
from promise_cli.evaluate.clicks.study_record import Trial
from promise_cli.evaluate.clicks.study_request import StudyRequest
from promise_cli.scores import results_written
from promise_cli.scores.study_files import UNFINISHED
from promise_cli.volume import file_stamps, volume_files


@dataclass(frozen=True, kw_only=True)
class KeptCase:
    """One finished case of a study."""

    case_id: str
    key: str
    """Hash of scan, label, network and request. If it differs, the case is repeated."""
    trials: tuple[Trial, ...]
    """Trials of the case; empty if the case has nothing to click on."""


class KeptCases:
    """The finished cases of a study in its output folder."""

    def __init__(self, output: Path, request: StudyRequest, checkpoint: Path) -> None:
        """Create the folder of finished cases, unless an earlier call left it.

        Raises:
            EvaluationError: The folder cannot be written to.
        """
        self.folder = output / UNFINISHED
        asked = dataclasses.replace(request, output=None, overwrite=False, root=None, run=None)
        self._study = json.dumps([record_to_json(asked), file_stamps([checkpoint])])
        with results_written(output):
            self.folder.mkdir(parents=True, exist_ok=True)

    def find(self, files: CaseFiles) -> KeptCase | None:
        """Return the case if an earlier call finished it with the same files and the same request; otherwise None."""
        path = self._path(files)
        if not path.exists():
            return None
        try:
            kept = load_record(KeptCase, path)
        except PlanError:  # the file is damaged or of another version, so the case is repeated
            return None
        return kept if kept.key == self._key(files) else None

    def save(self, files: CaseFiles, trials: Sequence[Trial]) -> KeptCase:
        """Write a finished case to the disk, and return it."""
        kept = KeptCase(case_id=files.case_id, key=self._key(files), trials=tuple(trials))
        save_record(kept, self._path(files))
        return kept

    def clear(self) -> None:
        """Remove the kept cases, since the written results hold them."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, files: CaseFiles) -> Path:
        return self.folder / f"{files.case_id}.json"

    def _key(self, files: CaseFiles) -> str:
        stamps = file_stamps([*volume_files(files.image), *volume_files(files.label)])
        return hashlib.sha256(json.dumps([self._study, stamps]).encode()).hexdigest()[:16]
