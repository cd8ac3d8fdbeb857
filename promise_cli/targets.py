"""What the values in masks and labels mean: by predictions.json, or by the labels' dataset.json."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promise_cli.console import warn
from promise_cli.errors import EvaluationError, PlanError, PromiseError
from promise_cli.records import load_json, record_from_json

MANIFEST = "predictions.json"
IGNORE = "ignore"
"""nnU-Net's name for the value of voxels that nobody judged."""
_NUMBER = re.compile(r"[0-9]{1,9}")
_TASK = re.compile(r"(?:Task|Dataset)[0-9]+_.+", re.IGNORECASE)
LABEL_FOLDERS = {"labelsTr", "labelsTs", "gt_segmentations"}
"""Folders within a dataset that hold its labels, as MSD and nnU-Net name them."""


@dataclass(frozen=True)
class Target:
    """One label to score."""

    label: int | str
    """Its value; `1+2` for a region."""
    name: str
    reference_values: tuple[int, ...]
    """What a voxel of the label file holds inside; several values for a region of nnU-Net."""
    prediction_values: tuple[int, ...]
    """The same of the prediction's file."""


@dataclass(frozen=True)
class Manifest:
    """What `promise-predict` wrote down about its masks."""

    path: Path
    dataset: str
    target: Target
    labels: str | None
    masks: dict[str, str]
    """Case id -> file name beside predictions.json."""
    scans: dict[str, Path]
    """Case id -> the scan as it was named then; it may be gone."""


def read_manifest(path: Path) -> Manifest:
    """Read what evaluation needs of predictions.json; other fields are not looked at.

    Raises:
        EvaluationError: A field is missing or mistyped.
    """
    content = load_json(path)
    needed = {"dataset", "target_label", "target_name", "cases"}
    if not isinstance(content, dict) or not needed <= content.keys() or not content["cases"]:
        raise EvaluationError(
            f"{path}: needs dataset, target_label, target_name, labels, and cases with case_id and"
            " mask; predict again or mend it"
        )
    try:
        listed: _Listed = record_from_json(_Listed, _known_fields(content), str(path))
    except PlanError as error:
        raise EvaluationError(f"{error}; predict again or mend it") from None
    masks: dict[str, str] = {}
    for case in listed.cases:
        if case.case_id in masks:
            raise EvaluationError(
                f"{path}: case {case.case_id} is listed twice; predict again or mend it"
            )
        masks[case.case_id] = case.mask
    values = listed.values or (1,)
    if listed.target_label < 1 or min(values) < 1:
        found = min(listed.target_label, *values)
        raise EvaluationError(
            f"{path}: target_label and values hold {found}, expected 1 or more; predict again or mend it"
        )
    several = listed.target_labels or (listed.target_label,)
    target = Target(_written(several), listed.target_name, several, values)
    scans = {case.case_id: Path(case.scan) for case in listed.cases if case.scan is not None}
    return Manifest(path, listed.dataset, target, listed.labels, masks, scans)


@dataclass(frozen=True, kw_only=True)
class _ListedCase:
    """What evaluation needs of a case in predictions.json."""

    case_id: str
    mask: str
    scan: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """The same of the whole file."""

    dataset: str
    target_label: int
    target_name: str
    target_labels: tuple[int, ...] = ()
    """Where several labels are one target."""
    labels: str | None = None
    values: tuple[int, ...] = (1,)
    cases: tuple[_ListedCase, ...]


def _known_fields(content: Any) -> Any:
    """predictions.json without the fields that evaluation does not look at."""
    kept = {**content}
    if isinstance(content["cases"], list):
        kept["cases"] = [
            _keep(case, _ListedCase) if isinstance(case, dict) else case
            for case in content["cases"]
        ]
    return _keep(kept, _Listed)


def _keep(content: dict[str, Any], record: type) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(record)}
    return {name: value for name, value in content.items() if name in names}


def newest_manifest(found: Sequence[Path]) -> Path:
    """The newest of some predictions.json by its `created`; broken ones are passed over with a warning.

    Raises:
        PromiseError: All are broken.
    """
    usable: dict[Path, float] = {}
    errors: list[PromiseError] = []
    for path in found:
        try:
            read_manifest(path)
            usable[path] = _created(path)
        except PromiseError as error:
            errors.append(error)
    if not usable:
        raise errors[0]
    for broken in errors:
        warn(f"{broken}; these predictions are passed over")
    return max(usable, key=lambda path: usable[path])


def _created(path: Path) -> float:
    content = load_json(path)
    try:
        created = datetime.fromisoformat(content["created"])
    except (KeyError, TypeError, ValueError):
        raise EvaluationError(
            f"{path}: 'created' is no ISO time; mend it or name the predictions to score"
        ) from None
    return (created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp()


def read_targets(path: Path) -> tuple[Target, ...]:
    """The labels that dataset.json names, background and what is to be ignored left out.

    MSD writes {"1": "pancreas"}, nnU-Net {"pancreas": 1} or {"whole": [1, 2]} for a region.
    """
    content = load_json(path)
    found = content.get("labels") if isinstance(content, dict) else None
    targets = []
    for key, item in found.items() if isinstance(found, dict) else ():
        values, name = ([key], item) if _NUMBER.fullmatch(key) else (item, key)
        values = values if isinstance(values, list) else [values]
        if not values or not all(_NUMBER.fullmatch(str(value)) for value in values):
            raise EvaluationError(f"{path}: label {key!r}: {item!r} names no whole number; mend it")
        numbers = tuple(int(value) for value in values)
        if 0 not in numbers and str(name).lower() != IGNORE:
            targets.append(Target(_written(numbers), str(name), numbers, numbers))
    _refuse_named_twice(path, targets)
    if not targets:
        raise EvaluationError(f"{path}: labels names nothing but background; mend it")
    return tuple(sorted(targets, key=lambda target: target.reference_values))


def _written(values: tuple[int, ...]) -> int | str:
    return values[0] if len(values) == 1 else "+".join(map(str, values))


def read_ignored(path: Path) -> int | None:
    """The value of voxels that count neither for nor against a mask, if dataset.json names one."""
    content = load_json(path)
    found = content.get("labels") if isinstance(content, dict) else None
    named = found.items() if isinstance(found, dict) else ()
    for key, item in named:
        for name, value in ((key, item), (item, key)):
            if str(name).lower() == IGNORE and str(value).isdecimal():
                return int(value)
    return None


def _refuse_named_twice(path: Path, targets: list[Target]) -> None:
    named: dict[frozenset[int], Target] = {}
    for target in targets:
        first = named.setdefault(frozenset(target.reference_values), target)
        if first is not target:
            raise EvaluationError(
                f"{path}: label value {target.label} is named twice ({first.name}, {target.name}); name it once"
            )


def find_dataset_json(folder: Path) -> Path | None:
    """The dataset.json of a folder of labels: in it, or beside it as `labelsTr` or nnU-Net's `gt_segmentations`.

    A link counts by its own place and name first, then by those of what it leads to.
    """
    beside = [
        place.parent
        for place in (folder.absolute(), folder.resolve())
        if place.name.startswith("labels") or place.name in LABEL_FOLDERS
    ]
    candidates = [place / "dataset.json" for place in (folder, *beside)]
    return next((path for path in candidates if path.exists()), None)


def dataset_name(described: Path) -> str:
    """The name of the dataset whose dataset.json this is: of its folder, whether or not links lead there."""
    names = []
    for place in (
        described.parent.absolute(),
        described.parent.resolve(),
        described.resolve().parent,
    ):
        folder = place.parent if place.name in LABEL_FOLDERS else place
        names.append(folder.name)
    return next((name for name in names if _TASK.fullmatch(name)), names[0])
