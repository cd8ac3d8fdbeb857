"""What the values in masks and labels mean: by predictions.json, or by the labels' dataset.json."""

from dataclasses import dataclass
from pathlib import Path

from promise_cli.errors import EvaluationError
from promise_cli.records import load_json

MANIFEST = "predictions.json"
IGNORE = "ignore"
"""nnU-Net's name for the value of voxels that nobody judged."""


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
    try:
        label, name, dataset = (content[key] for key in ("target_label", "target_name", "dataset"))
        labels = content.get("labels")
        several = tuple(int(value) for value in content.get("target_labels", ()))
        masks = {str(case["case_id"]): str(case["mask"]) for case in content["cases"]}
        values = tuple(int(value) for value in content.get("values", (1,)))
        scans = {
            str(case["case_id"]): Path(case["scan"]) for case in content["cases"] if "scan" in case
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        label, masks, scans, values, several = None, {}, {}, (), ()
    if not isinstance(label, int) or not isinstance(labels, str | None) or not masks:
        raise EvaluationError(
            f"{path}: needs dataset, target_label, target_name, labels, and cases with case_id and"
            " mask; predict again or mend it"
        )
    found = several or (label,)
    target = Target(_written(found), str(name), found, values or (1,))
    return Manifest(path, str(dataset), target, labels, masks, scans)


def read_targets(path: Path) -> tuple[Target, ...]:
    """The labels that dataset.json names, background and what is to be ignored left out.

    MSD writes {"1": "pancreas"}, nnU-Net {"pancreas": 1} or {"whole": [1, 2]} for a region.
    """
    content = load_json(path)
    found = content.get("labels") if isinstance(content, dict) else None
    targets = []
    for key, item in found.items() if isinstance(found, dict) else ():
        values, name = ([key], item) if str(key).isdigit() else (item, key)
        values = values if isinstance(values, list) else [values]
        if not values or not all(str(value).isdigit() for value in values):
            raise EvaluationError(f"{path}: label {key!r}: {item!r} names no whole number; mend it")
        numbers = tuple(int(value) for value in values)
        if 0 not in numbers and str(name).lower() != IGNORE:
            targets.append(Target(_written(numbers), str(name), numbers, numbers))
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


def find_dataset_json(folder: Path) -> Path | None:
    """The dataset.json of a folder of labels: in it, or beside `labelsTr`."""
    candidates = [folder / "dataset.json"]
    if folder.resolve().name.startswith("labels"):
        candidates.append(folder.resolve().parent / "dataset.json")
    return next((path for path in candidates if path.exists()), None)
