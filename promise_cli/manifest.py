"""What predictions.json says of the masks beside it, as far as evaluation needs it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promise_cli.console import warn
from promise_cli.errors import EvaluationError, PlanError, PromiseError
from promise_cli.records import load_json, record_from_json
from promise_cli.targets import Target, written_label

MANIFEST = "predictions.json"


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
    target = Target(written_label(several), listed.target_name, several, values)
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
