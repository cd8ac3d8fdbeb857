"""The parts of predictions.json that evaluation needs: target, labels, masks and scans."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import warn
from promise_cli.dataset.folder import label_text
from promise_cli.dataset.objects import check_objects, mask_values_of
from promise_cli.errors import EvaluationError, PromiseError
from promise_cli.predictions.listing import created_timestamp, load_listing
from promise_cli.predictions.targets import Target


@dataclass(frozen=True)
class Manifest:
    """The fields of a predictions.json that evaluation needs."""

    path: Path
    dataset: str
    targets: tuple[Target, ...]
    """The target of the masks; or their objects, if they have several."""
    labels: str | None
    """Folder of the labels, relative to the root if it lies below it; None if it is unknown."""
    masks: dict[str, str]
    """Case id -> name of the mask, relative to the folder of predictions.json."""
    scans: dict[str, Path]
    """Case id -> path of the scan at the time of prediction. The file may no longer exist."""


def read_manifest(path: Path) -> Manifest:
    """Read the fields of predictions.json that evaluation needs. Other fields are ignored.

    Raises:
        EvaluationError: A field is missing or has a wrong value, or a case is listed twice.
    """
    listed = load_listing(path)
    masks: dict[str, str] = {}
    for case in listed.cases:
        if case.case_id in masks:
            raise EvaluationError(
                f"{path}: case {case.case_id} is listed twice; predict again or fix it"
            )
        masks[case.case_id] = case.mask
    values = listed.values or (1,)
    if listed.target_label < 1 or min(values) < 1:
        found = min(listed.target_label, *values)
        raise EvaluationError(
            f"{path}: target_label and values hold {found}, expected 1 or more; predict again or fix it"
        )
    several = listed.target_labels or (listed.target_label,)
    targets: tuple[Target, ...] = (
        Target(label_text(several), listed.target_name, several, values),
    )
    if listed.objects:
        try:
            check_objects(listed.objects)
        except ValueError as error:
            raise EvaluationError(f"{path}: {error}; predict again or fix it") from None
        targets = tuple(
            Target(one.label, one.name, one.values, mask_values_of(one, listed.objects))
            for one in listed.objects
        )
    scans = {case.case_id: Path(case.scan) for case in listed.cases if case.scan}
    return Manifest(path, listed.dataset, targets, listed.labels, masks, scans)


def newest_manifest(found: Sequence[Path]) -> Path:
    """Find the newest of several predictions.json by the field `created`. Broken ones are skipped with a warning.

    Raises:
        PromiseError: All are broken.
    """
    usable: dict[Path, float] = {}
    errors: list[PromiseError] = []
    for path in found:
        try:
            read_manifest(path)
            usable[path] = created_timestamp(path)
        except PromiseError as error:
            errors.append(error)
    if not usable:
        raise errors[0]
    for broken in errors:
        warn(f"{broken}; these predictions are skipped")
    return max(usable, key=lambda path: usable[path])
