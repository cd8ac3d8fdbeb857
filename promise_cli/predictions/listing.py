"""Read from predictions.json only the fields that scoring needs, also if another version or a person wrote the file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promise_cli.disk.records import load_json, record_from_json
from promise_cli.errors import EvaluationError, PlanError
from promise_cli.predictions.record import Predictions

_LISTING = (
    "dataset",
    "target_label",
    "target_name",
    "target_labels",
    "objects",
    "labels",
    "values",
    "cases",
)
_LISTED_CASE = ("case_id", "mask", "scan")
_UNKNOWN: dict[str, Any] = {
    "created": "", "labels": None, "checkpoints": [], "prompts": "", "device": "", "precision": "", "max_windows": 1,
    "tta": False, "values": [1], "without_click": [],
}  # fmt: skip
_UNKNOWN_CASE: dict[str, Any] = {
    "scan": "", "probabilities": [], "key": "", "clicks": [], "lesions": [], "windows": [], "closed": True,
    "num_voxels": 0, "volume_ml": 0.0, "clicks_outside_window": 0,
    "seconds": {"read": 0.0, "resample": 0.0, "network": 0.0, "write": 0.0},
}  # fmt: skip


def load_listing(path: Path) -> Predictions:
    """Read which masks predictions.json lists, and for which target. All its other fields are left blank.

    Masks of another version of this tool, or masks that were listed by hand, can therefore be scored. Only the fields
    dataset, target_label, target_name and cases, each with case_id and mask, are required.

    Raises:
        EvaluationError: One of these fields is missing or has a wrong type.
    """
    content = load_json(path)
    needed = {"dataset", "target_label", "target_name", "cases"}
    if not isinstance(content, dict) or not needed <= content.keys() or not content["cases"]:
        raise EvaluationError(
            f"{path}: needs the fields dataset, target_label, target_name, and cases with case_id and mask;"
            " predict again or fix it"
        )
    listing = _UNKNOWN | _only(content, _LISTING)
    if isinstance(content["cases"], list):
        listing["cases"] = [
            _UNKNOWN_CASE | _only(case, _LISTED_CASE) if isinstance(case, dict) else case
            for case in content["cases"]
        ]
    try:
        found: Predictions = record_from_json(Predictions, listing, str(path))
    except PlanError as error:
        raise EvaluationError(f"{error}; predict again or fix it") from None
    return found


def _only(content: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Keep only the named fields. A field `scan` that is null is dropped."""
    return {
        name: value
        for name, value in content.items()
        if name in names and not (name == "scan" and value is None)
    }


def created_timestamp(path: Path) -> float:
    """Read when predictions.json was written, in seconds since 1970. A time without a zone counts as UTC.

    Raises:
        EvaluationError: The field `created` is missing or is not an ISO time.
    """
    try:
        created = datetime.fromisoformat(load_json(path)["created"])
        return (created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        raise EvaluationError(
            f"{path}: 'created' is not an ISO time; fix it or name the predictions to score"
        ) from None
