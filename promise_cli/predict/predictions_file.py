"""Updates predictions.json and failures.json. Several calls and shards may add to them, one at a time."""

import dataclasses
import hashlib
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from promise_cli.console import counted, say, warn
from promise_cli.disk.atomic import remove_leftovers, write_text
from promise_cli.disk.lock import claim_jointly
from promise_cli.disk.ours import is_marked, remove_marked
from promise_cli.disk.records import load_record, save_record
from promise_cli.errors import PlanError, PromptError
from promise_cli.jobs import claim, stop_says
from promise_cli.predict.earlier import Maker, load_earlier
from promise_cli.predict.inputs import Inputs
from promise_cli.predict.listing import ListingText
from promise_cli.predict.output import named_files
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predictions.record import (
    FAILURES,
    PROBABILITIES,
    RECORD,
    Failure,
    Failures,
    PredictedCase,
    Predictions,
    now,
)
from promise_cli.scores import MARKS, METRICS_FILE, set_aside
from promise_cli.volume import file_stamps

_PAGE = re.compile('<meta name="generator" content="promise-')
STALE = {**MARKS, "report.html": _PAGE, "prediction.html": _PAGE}
"""Files that are made from masks and become wrong when the masks change, with the text that identifies each of them."""


@contextmanager
def alone_in(folder: Path, request: PredictRequest, inputs: Inputs, maker: Maker) -> Iterator[None]:
    """Keep other calls out of a folder while the block runs, except other shards of the same prediction.

    Raises:
        PromptError: Another call is writing into the folder.
    """
    options = (request.precision, request.save_prob, request.same_format, request.overwrite)
    checkpoints = [path.resolve() for path in maker.checkpoints]
    whole = repr(
        (
            inputs.content_hash,
            checkpoints,
            maker.max_windows,
            maker.tta,
            file_stamps(checkpoints),
            options,
        )
    )
    purpose = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    part = f"{request.shard.number}_of_{request.shard.count}" if request.shard else None
    is_new = not folder.parent.exists()
    try:
        with claim_jointly(_lock(folder), purpose, part) as held:
            if held is False:
                raise PromptError(
                    f"{folder}: another promise-predict is writing into this folder; wait for it to end, or give"
                    " another folder with -o (only calls that differ in nothing but --shard may share one)"
                )
            for place in (folder, *folder.glob(f"{PROBABILITIES}/**/")):
                remove_leftovers(place)
            yield
    finally:
        if is_new and not any(folder.parent.glob("[!.]*")):  # only locks, as after a refusal
            shutil.rmtree(folder.parent, ignore_errors=True)


class RecordFile:
    """The predictions.json of a folder, to which this call adds its cases."""

    def __init__(self, folder: Path, result: Predictions) -> None:
        self.folder, self.result = folder, result
        self._written: tuple[int, int] | None = None
        self._text = ListingText()

    def begin(
        self, attempted: Set[str], names: Sequence[str], maker: Maker, *, overwrite: bool
    ) -> None:
        """Remove files that were made from the masks, which are about to change. List only the masks that stay.

        An evaluation of these masks is moved into a folder of its own, unless the call overwrites results. A
        page of promise-predict that has no evaluation next to it is deleted.

        Args:
            attempted: Cases of this call. Cases that another shard has listed in the meantime stay.
            names: Names of the files that the call is going to write, relative to the folder.
            maker: Networks and settings of this call.
            overwrite: Whether the call replaces existing results.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with claim(_lock(self.folder)):
            if not overwrite and is_marked(self.folder / METRICS_FILE, MARKS[METRICS_FILE]):
                place = set_aside(self.folder, STALE)
                say(f"the evaluation of the masks so far is moved to {place}")
            remove_marked(self.folder, STALE, STALE)
            known = named_files(self.folder)
            there = load_or_ignore(self.folder)
            if there is not None and maker.has_made(there):
                mine = attempted | {case.case_id for case in self.result.cases}
                others = tuple(case for case in there.cases if case.case_id not in mine)
                self.result = dataclasses.replace(self.result, cases=(*others, *self.result.cases))
            self._note(there, names, known)
            self._save()  # before any mask, so that after a kill the masks are known to be ours

    def _note(self, there: Predictions | None, names: Sequence[str], known: Set[str]) -> None:
        """Note the names of the files that this call writes, and of earlier files that are no longer listed."""
        begun, listed = {*names}, set(_files_of(self.result.cases))
        if there is not None:
            begun |= {*there.begun} - listed
            known = {*there.unlisted, *_files_of(there.cases)}
        left = {name for name in known - begun - listed if _is_file_within(self.folder, name)}
        self.result = dataclasses.replace(
            self.result, begun=tuple(sorted(begun)), unlisted=tuple(sorted(left))
        )

    def end(self, names: Sequence[str]) -> None:
        """Forget the names of files that this call was going to write and has not."""
        with claim(_lock(self.folder)):
            there = self.result if self._is_ours() else load_or_ignore(self.folder) or self.result
            gone = {name for name in names if not (self.folder / name).exists()}
            if gone & {*there.begun}:
                begun = tuple(name for name in there.begun if name not in gone)
                self.result = dataclasses.replace(there, begun=begun)
                self._save()

    def add(self, case: PredictedCase, *, device: str, precision: str) -> None:
        """List a finished case after the cases that this call or another process listed before."""
        with claim(_lock(self.folder)):
            there = self.result if self._is_ours() else load_or_ignore(self.folder) or self.result
            others = tuple(other for other in there.cases if other.case_id != case.case_id)
            written = {*_files_of((case,))}
            values = {*there.values, *self.result.values, *(of.value for of in case.lesions)}
            self.result = dataclasses.replace(
                self.result,
                created=now(),
                device=device,
                precision=precision,
                values=tuple(sorted(values)),
                cases=(*others, case),
                begun=tuple(name for name in there.begun if name not in written),
                unlisted=tuple(
                    name
                    for name in there.unlisted
                    if name not in written and (self.folder / name).exists()
                ),
            )
            self._save()

    def stop_says(self, cases: Collection[str], *, overwrite: bool) -> AbstractContextManager[None]:
        """Return a context. If Ctrl-C or SIGTERM ends its block, it says how many of these cases are finished."""

        def so_far() -> str:
            done = len({case.case_id for case in self.result.cases} & set(cases))
            again = "again without --overwrite" if overwrite else "again"
            return (
                f"{self.folder}: {done} of {counted(len(cases), 'case', 'are')} predicted; run the same command {again}"
                " to continue"
            )

        return stop_says(so_far)

    def _save(self) -> None:
        write_text(self.folder / RECORD, self._text.of(self.result))
        self._written = self._state()

    def _is_ours(self) -> bool:
        """Whether the file is unchanged since this process wrote it, so that it need not be read again."""
        return self._written is not None and self._written == self._state()

    def _state(self) -> tuple[int, int] | None:
        path = self.folder / RECORD
        return (path.stat().st_mtime_ns, path.stat().st_ino) if path.exists() else None


def _files_of(cases: Iterable[PredictedCase]) -> Iterator[str]:
    """Yield the names of the masks and probabilities of cases."""
    for case in cases:
        yield from (case.mask, *case.probabilities)


def _is_file_within(folder: Path, name: str) -> bool:
    """Whether a name from a record is that of a file in the folder, or in a folder within it."""
    path = folder / name
    return path.suffix != "" and path.is_file() and path.resolve().is_relative_to(folder.resolve())


def remove_replaced(folder: Path, earlier: PredictedCase | None, case: PredictedCase) -> None:
    """Delete the files of a case's earlier mask that its new mask has not replaced, because their names differ.

    They are the mask in another format, and probabilities that no longer belong to the mask.
    """
    if earlier is None:
        return
    for name in {earlier.mask, *earlier.probabilities} - {case.mask, *case.probabilities}:
        if _is_file_within(folder, name):
            (folder / name).unlink(missing_ok=True)


def renew(folder: Path, listed: tuple[PredictedCase, ...]) -> None:
    """Make finished predictions the newest ones by updating their time, and list these cases."""
    with claim(_lock(folder)):
        there = load_or_ignore(folder)
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


def load_or_ignore(folder: Path) -> Predictions | None:
    """Read the record of a folder. Return None if there is none, or, with a warning, if it is unusable."""
    try:
        return load_earlier(folder)
    except PromptError as error:
        warn(f"{str(error).partition('; what its masks')[0]}; its cases are ignored")
        return None


def _lock(folder: Path) -> Path:
    """Return the path of the lock. It lies next to the folder, which holds only files that a user should see."""
    place = folder.absolute()
    return place.with_name(f".{place.name}.lock")
