"""Finished cases of a study, which are kept on the disk so that a study that was stopped can continue."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from promise_cli.dataset.folder import CaseFiles
from promise_cli.disk.atomic import remove_leftovers
from promise_cli.disk.ours import foreign_error, is_foreign
from promise_cli.disk.records import load_record, record_to_json, save_record
from promise_cli.errors import EvaluationError, PlanError, shorten
from promise_cli.evaluate.clicks.study_record import Trial
from promise_cli.evaluate.clicks.study_request import StudyRequest
from promise_cli.jobs import claim
from promise_cli.scores import results_written, typed_command
from promise_cli.scores.study_files import KEPT_MARK, LOCK, UNFINISHED, remove_kept
from promise_cli.volume import file_stamps, volume_files


@dataclass(frozen=True, kw_only=True)
class KeptCase:
    """One finished case of a study."""

    case_id: str
    key: str
    """Hash of scan, label, network and request. If it differs, the case is repeated."""
    trials: tuple[Trial, ...]
    """Trials of the case; empty if the case has nothing to click on."""
    study: str = ""
    """Hash of network and request; empty in files of earlier versions."""
    command: str = ""
    """Command line of the call that finished the case."""


class KeptCases:
    """The finished cases of a study in its output folder."""

    def __init__(self, output: Path, request: StudyRequest, checkpoint: Path) -> None:
        """Name the folder of finished cases. Nothing is written yet."""
        self.output, self.folder, self.overwrite = output, output / UNFINISHED, request.overwrite
        asked = dataclasses.replace(request, output=None, overwrite=False, root=None, run=None)
        fields = record_to_json(asked)
        for name in ("name", "dataset"):  # the checkpoint stands for them
            del fields[name]
        self._study = json.dumps([fields, file_stamps([checkpoint])])

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other studies out of the folder while the block runs.

        Raises:
            EvaluationError: Another study works in the folder, or has left finished cases there and may not be
                replaced. Or the folder cannot be written to, or holds a file of others.
        """
        with results_written(self.output):
            self.folder.mkdir(parents=True, exist_ok=True)
        with claim(self.folder / LOCK, wait=False) as held:
            if held is False:
                raise EvaluationError(
                    f"{self.output}: another promise-evaluate --clicks works in this folder; wait for it to end, or"
                    " name another folder with -o"
                )
            self._refuse_replacing()
            for place in (self.output, self.folder):
                remove_leftovers(place)
            try:
                yield
            finally:
                (self.folder / LOCK).unlink(missing_ok=True)

    def _refuse_replacing(self) -> None:
        """Refuse to replace finished cases of another study, and files of others."""
        for path in sorted(self.folder.glob("*.json")):
            if is_foreign(path, KEPT_MARK):
                raise foreign_error(
                    path, "promise-evaluate --clicks", "name another folder with -o"
                )
            try:
                kept = load_record(KeptCase, path)
            except PlanError:
                continue  # the file is damaged or of another version, so the case is repeated
            if kept.study and kept.study != _hash(self._study) and not self.overwrite:
                raise EvaluationError(
                    f"{self.folder}: holds finished cases of a study with another network or other options"
                    f" ({shorten(kept.command)}); finish that one first, name another folder with -o, or add"
                    " --overwrite to discard them"
                )

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
        kept = KeptCase(
            case_id=files.case_id,
            key=self._key(files),
            trials=tuple(trials),
            study=_hash(self._study),
            command=typed_command(),
        )
        save_record(kept, self._path(files))
        return kept

    def clear(self) -> None:
        """Remove the kept cases, since the written results hold them."""
        remove_kept(self.output)

    def _path(self, files: CaseFiles) -> Path:
        return self.folder / f"{files.case_id}.json"

    def _key(self, files: CaseFiles) -> str:
        images = [path for image in files.images for path in volume_files(image)]
        stamps = file_stamps([*images, *volume_files(files.label)])
        return _hash(json.dumps([self._study, stamps]))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
