"""Update predictions.json and failures.json. Several calls and shards may add to them, one at a time."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import Any

from promise_cli.console import warn
from promise_cli.disk.records import load_record, record_to_json, save_record
from promise_cli.errors import PlanError
from promise_cli.jobs import claim
from promise_cli.predict.inputs import mask_name
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predictions.record import (
    FAILURES,
    RECORD,
    Failure,
    Failures,
    PredictedCase,
    Predictions,
    now,
)
from promise_cli.prompts import Click
from promise_cli.scores import MARKS, remove_stale
from promise_cli.volume import file_stamps, volume_files

_PAGE = re.compile('<meta name="generator" content="promise-')
STALE = {**MARKS, "report.html": _PAGE, "prediction.html": _PAGE}
"""Files that are made from masks and become wrong when the masks change, with the text that identifies each of them."""


class RecordFile:
    """The predictions.json of a folder, to which this call adds its cases."""

    def __init__(self, folder: Path, result: Predictions) -> None:
        self.folder, self.result = folder, result
        self._written: tuple[int, int] | None = None

    def begin(self, attempted: Set[str], checkpoints: Sequence[Path]) -> None:
        """Delete files that were made from masks about to change, and list only the masks that stay.

        Args:
            attempted: Cases of this call. Cases that another shard has listed in the meantime stay.
            checkpoints: Checkpoints of this call's networks.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with claim(_lock(self.folder)):
            remove_stale(self.folder, STALE, STALE)
            there = _load(self.folder)
            if there is not None and _is_of(there, checkpoints):
                mine = attempted | {case.case_id for case in self.result.cases}
                others = tuple(case for case in there.cases if case.case_id not in mine)
                self.result = dataclasses.replace(self.result, cases=(*others, *self.result.cases))
            self._save()  # before any mask, so that masks left by a kill are known to be ours

    def add(self, case: PredictedCase, *, device: str, precision: str) -> None:
        """List a finished case after the cases that this call or another process listed before."""
        with claim(_lock(self.folder)):
            there = self.result if self._is_ours() else _load(self.folder) or self.result
            others = tuple(other for other in there.cases if other.case_id != case.case_id)
            values = {*there.values, *self.result.values, *(of.value for of in case.lesions)}
            self.result = dataclasses.replace(
                self.result,
                created=now(),
                device=device,
                precision=precision,
                values=tuple(sorted(values)),
                cases=(*others, case),
            )
            self._save()

    def _save(self) -> None:
        save_record(self.result, self.folder / RECORD)
        self._written = self._state()

    def _is_ours(self) -> bool:
        """Whether the file is unchanged since this process wrote it, so that it need not be read again."""
        return self._written is not None and self._written == self._state()

    def _state(self) -> tuple[int, int] | None:
        path = self.folder / RECORD
        return (path.stat().st_mtime_ns, path.stat().st_ino) if path.exists() else None


def earlier_cases(
    folder: Path, checkpoints: Sequence[Path], attempted: Set[str]
) -> tuple[PredictedCase, ...]:
    """Read the cases that an earlier call with the same networks listed in a folder, and whose masks still exist.

    Cases of other networks are dropped. A warning counts those that this call does not predict again.
    """
    there = _load(folder)
    if there is None:
        return ()
    kept = tuple(case for case in there.cases if (folder / case.mask).exists())
    if _is_of(there, checkpoints):
        return kept
    left = [case for case in kept if case.case_id not in attempted]
    if left:
        warn(
            f"{folder}: {len(left)} masks of another network, such as {left[0].mask}, stay there but are no"
            " longer listed in predictions.json; use -o to keep predictions apart"
        )
    return ()


def renew(folder: Path, listed: tuple[PredictedCase, ...]) -> None:
    """Make finished predictions the newest ones by updating their time, and list these cases."""
    with claim(_lock(folder)):
        there = _load(folder)
        if there is not None:
            save_record(dataclasses.replace(there, created=now(), cases=listed), folder / RECORD)


def save_failures(folder: Path, failures: Sequence[Failure], attempted: Set[str] | None) -> None:
    """Write failures.json, or delete it if nothing failed.

    Args:
        folder: Folder of the masks.
        failures: Failures of this call.
        attempted: Cases of this call if it is one of several shards. The file's failures of other cases are then kept.
            None: the file's earlier failures are dropped.
    """
    path = folder / FAILURES
    with claim(_lock(folder)):
        others: tuple[Failure, ...] = ()
        if attempted is not None and path.exists():
            try:
                others = load_record(Failures, path).failures
            except PlanError as error:
                warn(f"{error}; its cases are ignored")
        known = {*(attempted or ()), *(failure.case_id for failure in failures)}
        kept = [failure for failure in others if failure.case_id not in known]
        if kept or failures:
            save_record(Failures(failures=(*kept, *failures)), path)
        else:
            path.unlink(missing_ok=True)


def _is_of(record: Predictions, checkpoints: Sequence[Path]) -> bool:
    """Whether a record was made with these checkpoints, and after they were written."""
    created = datetime.fromisoformat(record.created).timestamp()
    theirs = tuple(Path(path).resolve() for path in record.checkpoints)
    same = theirs == tuple(path.resolve() for path in checkpoints)
    return same and created > max(path.stat().st_mtime for path in checkpoints)


def _load(folder: Path) -> Predictions | None:
    """Read the record of a folder. Return None if there is none, or, with a warning, if it is unusable."""
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        record = load_record(Predictions, path)
        datetime.fromisoformat(record.created)
    except (PlanError, ValueError) as error:
        warn(f"{error}; its cases are ignored")
        return None
    return record


def _lock(folder: Path) -> Path:
    """Return the path of the lock. It lies next to the folder, which holds only files that a user should see."""
    place = folder.absolute()
    return place.with_name(f".{place.name}.lock")


def prediction_key(
    request: PredictRequest, checkpoints: Sequence[Path], scan: Path, clicks: Sequence[Click]
) -> str:
    """Hash all on which the mask of a case depends: the scan's files, its clicks, the networks and the settings."""
    stats = file_stamps([*volume_files(scan), *checkpoints])
    settings = [request.max_windows, request.tta, request.precision]
    content = json.dumps([stats, settings, [_as_keyed(click) for click in clicks]])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _as_keyed(click: Click) -> dict[str, Any]:
    """Convert a click to JSON for its key. The field `sign` keeps its former name `label`, so that old keys match."""
    fields: dict[str, Any] = record_to_json(click)
    return {"label" if name == "sign" else name: value for name, value in fields.items()}


def is_finished(
    record: PredictedCase | None, key: str, scan: Path, folder: Path, request: PredictRequest
) -> bool:
    """Whether the earlier result of a case is complete and up to date, so that the case can be skipped."""
    if record is None or record.key != key or not (folder / record.mask).is_file():
        return False
    if (folder / record.mask).stat().st_size != record.mask_bytes:
        return False
    if record.mask != mask_name(record.case_id, scan, request.same_format):
        return False
    there = all((folder / name).exists() for name in record.probabilities)
    return there and (bool(record.probabilities) or not request.save_prob)
