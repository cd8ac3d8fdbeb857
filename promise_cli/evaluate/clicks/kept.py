"""What a study has done so far, case by case on the disk, so that one that was stopped goes on."""

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
from promise_cli.volume import file_stamps, volume_files

UNFINISHED = "unfinished"
"""Folder next to the results, removed once they are written."""


@dataclass(frozen=True, kw_only=True)
class KeptCase:
    """One finished case."""

    case_id: str
    key: str
    """Hash of scan, label, network and request; with another key the case is repeated."""
    trials: tuple[Trial, ...]
    """None where the case has nothing to click on."""


class KeptCases:
    """The finished cases of a study in its output folder."""

    def __init__(self, output: Path, request: StudyRequest, checkpoint: Path) -> None:
        """Look for cases of an earlier call, and see that there can be new ones.

        Raises:
            EvaluationError: The folder cannot be written to.
        """
        self.folder = output / UNFINISHED
        asked = dataclasses.replace(request, output=None, root=None, run=None)
        self._study = json.dumps([record_to_json(asked), file_stamps([checkpoint])])
        with results_written(output):
            self.folder.mkdir(parents=True, exist_ok=True)

    def find(self, files: CaseFiles) -> KeptCase | None:
        """A case that an earlier call finished, from the same files with the same request."""
        path = self._path(files)
        if not path.exists():
            return None
        try:
            kept = load_record(KeptCase, path)
        except PlanError:  # of another version, or damaged: it is done again
            return None
        return kept if kept.key == self._key(files) else None

    def save(self, files: CaseFiles, trials: Sequence[Trial]) -> KeptCase:
        """Keep a finished case."""
        kept = KeptCase(case_id=files.case_id, key=self._key(files), trials=tuple(trials))
        save_record(kept, self._path(files))
        return kept

    def clear(self) -> None:
        """The results hold all of it now."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, files: CaseFiles) -> Path:
        return self.folder / f"{files.case_id}.json"

    def _key(self, files: CaseFiles) -> str:
        stamps = file_stamps([*volume_files(files.image), *volume_files(files.label)])
        return hashlib.sha256(json.dumps([self._study, stamps]).encode()).hexdigest()[:16]
