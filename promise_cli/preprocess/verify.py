"""Read and verify all cases of a dataset, and show one table of what is wrong with them."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import counted, say, warn
from promise_cli.dataset.fingerprint import (
    IN_AIR,
    CaseFingerprint,
    Histogram,
    LeftOut,
    Measured,
    Measurements,
    Problem,
    error_of,
    unusable,
)
from promise_cli.dataset.folder import CaseFiles, Dataset, Labels
from promise_cli.dataset.objects import TargetObject
from promise_cli.errors import DatasetError
from promise_cli.jobs import Death, Job, Shard, run_jobs, stop_says
from promise_cli.preprocess.memory import estimate_peak

MAX_ERRORS, MAX_WARNINGS = 100, 20
"""Largest number of errors and of warnings in the table."""


@dataclass(frozen=True)
class Survey:
    """Result of reading all cases of a dataset."""

    usable: tuple[Measured, ...]
    """Usable cases, sorted by case id."""
    left_out: tuple[LeftOut, ...]
    """Bad cases, which are left out."""

    @property
    def measured(self) -> list[tuple[CaseFingerprint, Histogram]]:
        """Measurements of the usable cases, from which the fingerprint is made."""
        found = [(one.measurement.case, one.measurement.target) for one in self.usable]
        return [(case, target) for case, target in found if case is not None and target is not None]

    @property
    def further(self) -> list[tuple[Histogram, ...]]:
        """Intensities of the target in the channels after the first, of the same cases."""
        return [one.measurement.further for one in self.usable if one.measurement.case is not None]


def survey_dataset(
    dataset: Dataset,
    target_label: Labels,
    folder: Path,
    *,
    workers: int | None = None,
    shard: Shard | None = None,
    skip_bad: bool = False,
    objects: tuple[TargetObject, ...] = (),
) -> Survey:
    """Measure every case whose measurement is not kept yet, and show what is wrong with the cases.

    Args:
        dataset: The dataset, including its broken cases.
        target_label: Value of the target; several values together form one target.
        folder: Folder in which measurements are kept. Commands on several shards fill it together.
        workers: Number of processes; 0 works in this process, None uses one per core.
        shard: Part whose cases are measured first. The other cases are measured unless another command has done it.
        skip_bad: Whether to leave out bad cases, instead of stopping.
        objects: Objects that form the target; empty for one target.

    Raises:
        DatasetError: A case cannot be used and `skip_bad` is false, or no case can be used.
    """
    store = Measurements(folder, dataset, target_label, objects)
    with stop_says(lambda: _so_far(store)):
        measured = _measure_all(store, dataset.cases, workers, shard or Shard())
    measured = _join_warnings_of_air(_warn_of_likeness(measured), dataset)
    problems: dict[str, tuple[Problem, ...]] = {
        case: (error_of(dataset, text),) for case, text in dataset.broken.items()
    }
    problems |= {one.files.case_id: one.measurement.problems for one in measured}
    problems = dict(sorted(problems.items()))
    _show(problems, dataset)
    bad = [
        LeftOut(case_id=case, errors=errors)
        for case, found in problems.items()
        if (errors := tuple(problem.text for problem in found if problem.severity == "error"))
    ]
    if bad and not skip_bad:
        raise _stopped_by(len(bad), len(problems), dataset.folder)
    usable = tuple(one for one in measured if one.measurement.case is not None)
    if not usable:
        raise DatasetError(f"{dataset.folder}: no usable case is left; correct the cases")
    return Survey(usable, tuple(bad))


def _so_far(store: Measurements) -> str:
    """Say how many cases are verified, for a command that is stopped."""
    cases = store.dataset.cases
    number = sum(store.find(files) is not None for files in cases)
    return (
        f"{number} of {counted(len(cases), 'case', 'are')} verified, and this command has written none yet; run the"
        " same command again to continue"
    )


def _measure_all(
    store: Measurements, cases: Sequence[CaseFiles], workers: int | None, shard: Shard
) -> list[Measured]:
    """Measure all cases in processes, and return the results in the order of the cases."""
    found = {files.case_id: known for files in cases if (known := store.find(files)) is not None}
    # In the second round, cases that another command measures are waited for.
    for wait in (False, True):
        missing = [files for files in shard.own_first(cases) if files.case_id not in found]
        jobs = [Job(files, files.case_id, estimate_peak(files, None)) for files in missing]
        measure = functools.partial(store.measure, wait=wait)
        for files, result in zip(
            missing, run_jobs(measure, jobs, workers, "verifying"), strict=True
        ):
            if isinstance(result, Death):
                found[files.case_id] = unusable(store.dataset, files, f"{files.image}: {result}")
            elif result is not None:
                found[files.case_id] = result
    return [found[files.case_id] for files in cases]


def _warn_of_likeness(measured: Iterable[Measured]) -> list[Measured]:
    """Add a warning to cases that resemble an earlier case.

    They hold the same scan, or have a case id that differs only in upper and lower case. If the same scan is in two
    folds, a network may be tested on a scan that it was trained on.
    """
    first: dict[str, str] = {}
    names: dict[str, str] = {}
    result = []
    for one in measured:
        case, image = one.files.case_id, one.source.image_sha256
        notes = []
        if image and image in first:
            notes.append(
                f"the same scan as case {first[image]}; they may be put into different folds"
            )
        if case.lower() in names:
            notes.append(
                f"its case id differs from {names[case.lower()]} only in upper and lower case; some disks keep only one"
            )
        first.setdefault(image, case)
        names.setdefault(case.lower(), case)
        result.append(_with_warnings(one, notes))
    return result


def _join_warnings_of_air(measured: list[Measured], dataset: Dataset) -> list[Measured]:
    """Give one warning for the whole dataset instead of one for each case if most targets lie in air, as airways do."""
    found = [one for one in measured if any(map(_is_about_air, one.measurement.problems))]
    if len(found) < 2 or 2 * len(found) <= len(measured):
        return measured
    warn(
        f"{dataset.folder}: in {len(found)} of {counted(len(measured), 'case')} more than half {IN_AIR}, such as in"
        f" {found[0].files.case_id}; unless the target is an airway, the labels do not lie on their scans"
    )
    return [_without_air(one) for one in measured]


def _is_about_air(problem: Problem) -> bool:
    return problem.severity == "warning" and IN_AIR in problem.text


def _without_air(one: Measured) -> Measured:
    problems = tuple(found for found in one.measurement.problems if not _is_about_air(found))
    return _with_problems(one, problems, [problem.text for problem in problems])


def _with_warnings(one: Measured, notes: Sequence[str]) -> Measured:
    found, case = one.measurement, one.measurement.case
    if not notes or case is None:
        return one
    texts = tuple(f"{case.image}: {note}" for note in notes)
    more = tuple(Problem(severity="warning", text=text) for text in texts)
    return _with_problems(one, (*found.problems, *more), (*case.warnings, *texts))


def _with_problems(
    one: Measured, problems: tuple[Problem, ...], warnings: Sequence[str]
) -> Measured:
    """Return a measured case with other problems, and with other warnings in its fingerprint if it has one."""
    found, case = one.measurement, one.measurement.case
    if case is not None:
        case = dataclasses.replace(case, warnings=tuple(warnings))
    return dataclasses.replace(
        one, measurement=dataclasses.replace(found, problems=problems, case=case)
    )


def _show(problems: dict[str, tuple[Problem, ...]], dataset: Dataset) -> None:
    """Show the table of problems: one line per problem, errors before warnings, never wrapped or shortened."""
    rows = [(case, problem) for case, its in problems.items() for problem in its]
    errors = [row for row in rows if row[1].severity == "error"]
    warnings = [row for row in rows if row[1].severity == "warning"]
    cases = len({case for case, _ in errors})
    found = f"{counted(len(errors), 'error')} in {counted(cases, 'case')}, {counted(len(warnings), 'warning')}"
    say(f"verified {counted(len(problems), 'case')}: {found if rows else 'nothing is wrong'}")
    if not rows:
        return
    shown = [*errors[:MAX_ERRORS], *warnings[:MAX_WARNINGS]]
    width = max(len("case"), *(len(case) for case, _ in shown))
    say(f"  {'case':<{width}}  severity  problem (paths below {dataset.folder})")
    for case, problem in shown:
        say(f"  {case:<{width}}  {problem.severity:<8}  {problem.text}")
    if len(rows) > len(shown):
        place = "" if errors else "; fingerprint.json will hold all warnings"
        say(f"  and {len(rows) - len(shown)} more{place}")


def _stopped_by(num_bad: int, num_cases: int, folder: Path) -> DatasetError:
    them = "it" if num_bad == 1 else "them"
    return DatasetError(
        f"{folder}: {num_bad} of {counted(num_cases, 'case')} cannot be used (table above); correct {them}, or leave"
        f" {them} out with --skip-bad"
    )
