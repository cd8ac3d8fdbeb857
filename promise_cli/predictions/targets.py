"""What the values in labels mean, by their dataset.json."""

import re
from dataclasses import dataclass
from pathlib import Path

from promise_cli.disk.records import load_json
from promise_cli.errors import EvaluationError

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
    """Values that the label file holds inside the target; several for a region of nnU-Net."""
    prediction_values: tuple[int, ...]
    """Values that the prediction's file holds inside the target."""


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
            raise EvaluationError(f"{path}: label {key!r}: {item!r} names no whole number; fix it")
        numbers = tuple(int(value) for value in values)
        if 0 not in numbers and str(name).lower() != IGNORE:
            targets.append(Target(written_label(numbers), str(name), numbers, numbers))
    _refuse_named_twice(path, targets)
    if not targets:
        raise EvaluationError(f"{path}: labels names nothing but background; fix it")
    return tuple(sorted(targets, key=lambda target: target.reference_values))


def written_label(values: tuple[int, ...]) -> int | str:
    """A target's value as tables show it: `2`, or `1+2` for a region."""
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
    """Find the dataset.json of a folder of labels: in it, or next to it for `labelsTr` or nnU-Net's `gt_segmentations`.

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
