"""Write cases in processes, next to other commands, and delete what a killed command has left half-written."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import counted, say
from promise_cli.dataset.case import is_current, preprocess_case
from promise_cli.dataset.case_arrays import CASE_FILES, SUFFIXES, format_in
from promise_cli.dataset.fingerprint import Measured, is_unchanged
from promise_cli.dataset.plan import CasesFormat, Plan, case_key
from promise_cli.disk.atomic import remove_leftovers
from promise_cli.disk.ours import first_other, foreign_error
from promise_cli.disk.reasons import explain
from promise_cli.disk.records import load_record
from promise_cli.errors import DatasetError, PlanError, PromiseError
from promise_cli.jobs import Death, Job, claim, run_jobs, stop_says
from promise_cli.preprocess.memory import estimate_peak
from promise_cli.volume import file_stamps


@dataclass(frozen=True)
class _Maker:
    """Writer of single cases, which is pickled to send it to the processes."""

    plan: Plan
    folder: Path
    scratch: Path
    overwrite: bool

    def make(self, one: Measured, *, wait: bool) -> bool | str | None:
        """Write one case unless it exists already.

        Args:
            one: The verified case.
            wait: Whether to wait for another command that writes the same case.

        Returns:
            True if the case was written, False if it existed already, and None if another command writes it and `wait`
            is false. Otherwise an error message.
        """
        files, cases_dir = one.files, self.folder / "cases"
        try:
            with claim(_lock(self.scratch, files.case_id), wait=wait) as held:
                if held is False:
                    return None
                self._check_plan()
                if not self.overwrite and is_current(files, self.plan, cases_dir, one.source):
                    return False
                if not is_unchanged(files, one.source):
                    return f"{files.image}: it or its label has changed since it was verified; run the command again"
                preprocess_case(files, self.plan, cases_dir, one.source)
                return True
        except PromiseError as error:
            return str(error)
        except OSError as error:
            return explain(error, cases_dir / files.case_id)

    def _check_plan(self) -> None:
        path = self.folder / "plans.json"
        expected = case_key(self.plan), self.plan.cases_format
        if _key_in(path, tuple(file_stamps([path]))) != expected:
            raise PlanError(
                f"{path}: was changed by another command; let that command end, then run this one again"
            )


@functools.lru_cache(maxsize=1)
def _key_in(path: Path, _stamps: tuple[object, ...]) -> tuple[str, CasesFormat]:
    """Return key and format of a plan's file. It is read again only if its stamps have changed."""
    plan = load_record(Plan, path)
    return case_key(plan), plan.cases_format


def make_cases(
    cases: Sequence[Measured],
    plan: Plan,
    folder: Path,
    scratch: Path,
    *,
    workers: int | None,
    overwrite: bool,
) -> int:
    """Write the cases that are missing, damaged, or made from other files or with another plan.

    Args:
        cases: Verified cases.
        plan: The plan in `folder`'s plans.json.
        folder: Folder of the preprocessed dataset.
        scratch: Folder that holds the locks.
        workers: Number of processes; 0 works in this process, None uses one per core.
        overwrite: Whether to write all cases.

    Returns:
        The number of cases that were written.

    Raises:
        DatasetError: Some cases could not be written; all others were.
        WorkspaceError: The folder of a case holds files of others. No case was written.
    """
    maker = _Maker(plan, folder, scratch, overwrite)
    wanted = [
        one
        for one in cases
        if overwrite or not is_current(one.files, plan, folder / "cases", one.source)
    ]
    refuse_foreign_cases(folder / "cases", [one.files.case_id for one in wanted])
    _say_changed_format(wanted, plan, folder / "cases")
    num_new, problems = 0, []

    def so_far() -> str:
        there = (
            is_current(one.files, plan, folder / "cases", one.source, voxels=False) for one in cases
        )
        again = "again without --overwrite" if overwrite else "again"
        return (
            f"{folder}: {sum(there)} of {counted(len(cases), 'case', 'are')} written; run the same command {again} to"
            " continue"
        )

    # In the second round, cases that another command writes are waited for.
    with stop_says(so_far):
        for wait in (False, True):
            jobs = [
                Job(
                    one,
                    one.files.case_id,
                    estimate_peak(
                        one.files,
                        plan.spacing,
                        has_objects=bool(plan.objects),
                        compressed=plan.cases_format == "blosc2",
                    ),
                )
                for one in wanted
            ]
            make = functools.partial(maker.make, wait=wait)
            results = run_jobs(make, jobs, workers, "preprocessing")
            num_new += sum(result is True for result in results)
            problems += [str(result) for result in results if isinstance(result, str | Death)]
            wanted = [one for one, result in zip(wanted, results, strict=True) if result is None]
    if problems:
        more = (
            f" ({counted(len(problems) - 1, 'more case')} could not be written)"
            if problems[1:]
            else ""
        )
        raise DatasetError(problems[0] + more)
    return num_new


def _say_changed_format(wanted: Sequence[Measured], plan: Plan, cases_dir: Path) -> None:
    found = [format_in(cases_dir / one.files.case_id) for one in wanted]
    others = [form for form in found if form not in (None, plan.cases_format)]
    if others and others[0] is not None:
        number, one = counted(len(others), "case"), len(others) == 1
        say(
            f"{cases_dir}: {number} stored as {SUFFIXES[others[0]]} {'is' if one else 'are'} written again as"
            f" {SUFFIXES[plan.cases_format]}"
        )


def refuse_foreign_cases(cases_dir: Path, case_ids: Iterable[str]) -> None:
    """Refuse to write cases whose folders hold anything that preprocessing did not write, since it would be removed.

    Raises:
        WorkspaceError: There is such a file or folder.
    """
    for case_id in case_ids:
        if (other := first_other(cases_dir / case_id, CASE_FILES)) is not None:
            raise foreign_error(other, "promise-preprocess", "move it away")


def sweep(folder: Path, scratch: Path) -> None:
    """Delete the files and folders that killed commands have left half-written. Those of running commands stay."""
    for place in (folder, folder / "cases", scratch / "measured"):
        remove_leftovers(place)


def _lock(scratch: Path, case_id: str) -> Path:
    return scratch / "locks" / f"{case_id}.case"
