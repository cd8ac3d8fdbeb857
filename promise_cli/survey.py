"""All cases of a dataset read and verified, and one table of what is wrong with them."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import say
from promise_cli.dataset import CaseFiles, Dataset
from promise_cli.errors import DatasetError
from promise_cli.estimate import estimate_peak
from promise_cli.fingerprint import LeftOut, Problem, full_text
from promise_cli.measurements import Measured, Measurements, unusable
from promise_cli.work import Death, Job, Shard, run_jobs

MAX_WARNINGS = 20
"""Shown at once; all are in fingerprint.json."""


@dataclass(frozen=True)
class Survey:
    """What reading the dataset gave."""

    usable: tuple[Measured, ...]
    """By case id."""
    left_out: tuple[LeftOut, ...]


def survey_dataset(
    dataset: Dataset,
    target_label: int,
    folder: Path,
    *,
    workers: int | None = None,
    shard: Shard | None = None,
    skip_bad: bool = False,
) -> Survey:
    """Measure every case that is not known yet, and stop where one cannot be used.

    Args:
        dataset: With its broken cases.
        target_label: Of the target.
        folder: Where measurements are kept; commands on several shards fill it together.
        workers: Processes; 0 works in this one.
        shard: Whose cases are read first; the others' are read where nobody else has.
        skip_bad: Leave bad cases out.

    Raises:
        DatasetError: A case cannot be used and is not left out, or none is left.
    """
    measured = _measure_all(
        Measurements(folder, dataset, target_label), dataset.cases, workers, shard or Shard()
    )
    measured = _warn_of_likeness(measured)
    problems: dict[str, tuple[Problem, ...]] = {
        case: (Problem(severity="error", text=_relative(text, dataset)),)
        for case, text in dataset.broken.items()
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
        raise _stopped_by(bad, dataset.folder)
    usable = tuple(one for one in measured if one.measurement.case is not None)
    if not usable:
        raise DatasetError(f"{dataset.folder}: no usable case is left")
    return Survey(usable, tuple(bad))


def _measure_all(
    store: Measurements, cases: Sequence[CaseFiles], workers: int | None, shard: Shard
) -> list[Measured]:
    """In the order of the cases, whoever reads them."""
    found = {files.case_id: known for files in cases if (known := store.find(files)) is not None}
    for wait in (False, True):  # first what nobody reads, then what another command was at
        missing = [files for files in shard.own_first(cases) if files.case_id not in found]
        jobs = [Job(files, files.case_id, estimate_peak(files, None)) for files in missing]
        measure = functools.partial(store.measure, wait=wait)
        for files, result in zip(
            missing, run_jobs(measure, jobs, workers, "verifying"), strict=True
        ):
            if isinstance(result, Death):
                found[files.case_id] = unusable(files, f"{files.image}: {result}")
            elif result is not None:
                found[files.case_id] = result
    return [found[files.case_id] for files in cases]


def _warn_of_likeness(measured: Iterable[Measured]) -> list[Measured]:
    """Note cases that hold the scan of another: in two folds they would test what was trained on."""
    first: dict[str, str] = {}
    names: dict[str, str] = {}
    result = []
    for one in measured:
        case, image = one.files.case_id, one.source.image_sha256
        notes = []
        if image and image in first:
            notes.append(
                f"the same scan as case {first[image]}; both may come into different folds"
            )
        if case.lower() in names:
            notes.append(
                f"differs from case {names[case.lower()]} only in upper and lower case; some disks keep one of them"
            )
        first.setdefault(image, case)
        names.setdefault(case.lower(), case)
        result.append(_with_warnings(one, notes))
    return result


def _with_warnings(one: Measured, notes: Sequence[str]) -> Measured:
    found, case = one.measurement, one.measurement.case
    if not notes or case is None:
        return one
    texts = tuple(f"{case.image}: {note}" for note in notes)
    more = tuple(Problem(severity="warning", text=text) for text in texts)
    case = dataclasses.replace(case, warnings=(*case.warnings, *texts))
    found = dataclasses.replace(found, problems=(*found.problems, *more), case=case)
    return dataclasses.replace(one, measurement=found)


def _relative(text: str, dataset: Dataset) -> str:
    return text.removeprefix(f"{dataset.folder}/")


def _show(problems: dict[str, tuple[Problem, ...]], dataset: Dataset) -> None:
    """The table: one line a problem, errors before warnings, never wrapped or cut."""
    rows = [(case, problem) for case, found in problems.items() for problem in found]
    errors = [row for row in rows if row[1].severity == "error"]
    warnings = [row for row in rows if row[1].severity == "warning"]
    counted = (
        f"{len(errors)} errors in {len({case for case, _ in errors})} cases,"
        f" {len(warnings)} warnings"
    )
    say(f"verified {len(problems)} cases: {counted if rows else 'nothing is wrong'}")
    if not rows:
        return
    width = max(len(case) for case, _ in [*errors, *warnings[:MAX_WARNINGS], ("case", None)])
    say(f"  {'case':<{width}}  severity  problem (paths below {dataset.folder})")
    for case, problem in [*errors, *warnings[:MAX_WARNINGS]]:
        say(f"  {case:<{width}}  {problem.severity:<8}  {problem.text}")
    if len(warnings) > MAX_WARNINGS:
        say(f"  and {len(warnings) - MAX_WARNINGS} more warnings; fingerprint.json holds all")


def _stopped_by(bad: Sequence[LeftOut], folder: Path) -> DatasetError:
    message = full_text(bad[0].errors[0], folder)
    if len(bad) > 1:
        others = ", ".join(one.case_id for one in bad[1:6])
        dots = ", ..." if len(bad) > 6 else ""
        message += f" ({len(bad) - 1} more bad cases: {others}{dots})"
    return DatasetError(message)
