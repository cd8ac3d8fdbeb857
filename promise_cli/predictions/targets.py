"""Read from dataset.json what the values in label files mean."""

import re
from dataclasses import dataclass
from pathlib import Path

from promise_cli.dataset.folder import IGNORE, label_text, single_value
from promise_cli.disk.records import load_json
from promise_cli.errors import EvaluationError, shown

_NUMBER = re.compile(r"[0-9]{1,9}")
_TASK = re.compile(r"(?:Task|Dataset)[0-9]+_.+", re.IGNORECASE)
LABEL_FOLDERS = {"labelsTr", "labelsTs", "gt_segmentations"}
"""Folders within a dataset that hold its labels, as MSD and nnU-Net name them."""


@dataclass(frozen=True)
class Target:
    """Target to score: a label, or a region of several labels."""

    label: int | str
    """Value of the label; `1+2` for a region."""
    name: str
    reference_values: tuple[int, ...]
    """Values of the target's voxels in the label file; several for a region of nnU-Net."""
    prediction_values: tuple[int, ...]
    """Values of the target's voxels in the predicted mask."""


def read_targets(path: Path) -> tuple[Target, ...]:
    """Read the targets that dataset.json names, without background and nnU-Net's `ignore`.

    MSD writes {"1": "pancreas"}, nnU-Net {"pancreas": 1} or {"whole": [1, 2]} for a region.

    Raises:
        EvaluationError: A label's value is not a whole number or a list of whole numbers, a value is named twice, or
            there is no target.
    """
    content = load_json(path)
    found = content.get("labels") if isinstance(content, dict) else None
    targets = []
    for key, item in found.items() if isinstance(found, dict) else ():
        values, name = ([key], item) if _NUMBER.fullmatch(key) else (item, key)
        values = values if isinstance(values, list) else [values]
        if not values or not all(_NUMBER.fullmatch(str(value)) for value in values):
            raise EvaluationError(
                f"{path}: label {shown(key)}: {shown(item)} is not a whole number or a list of whole numbers;"
                " correct it"
            )
        numbers = tuple(int(value) for value in values)
        if 0 not in numbers and str(name).lower() != IGNORE:
            targets.append(Target(label_text(numbers), str(name), numbers, numbers))
    _refuse_named_twice(path, targets)
    if not targets:
        raise EvaluationError(
            f"{path}: labels has no entry besides background and 'ignore'; add the target"
        )
    return tuple(sorted(targets, key=lambda target: target.reference_values))


def read_ignored(path: Path) -> int | None:
    """Read the value of voxels that are not scored. Return None if dataset.json names no such value."""
    content = load_json(path)
    found = content.get("labels") if isinstance(content, dict) else None
    named = found.items() if isinstance(found, dict) else ()
    for key, item in named:
        for name, value in ((key, single_value(item)), (item, key)):
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
    """Find the dataset.json of a folder of label files. Return None if there is none.

    It lies in the folder. For folders such as `labelsTr` or nnU-Net's `gt_segmentations` it may also lie next to them.
    For a link to a folder, the link's own place is searched first, then that of the folder to which it leads.
    """
    next_to = [
        place.parent
        for place in (folder.absolute(), folder.resolve())
        if place.name.startswith("labels") or place.name in LABEL_FOLDERS
    ]
    candidates = [place / "dataset.json" for place in (folder, *next_to)]
    return next((path for path in candidates if path.exists()), None)


def dataset_name(described: Path) -> str:
    """Find the name of the dataset to which a dataset.json belongs.

    It is the name of the folder that holds dataset.json. If the folder or the file is a link, there are several names:
    that of the folder as given, and those of the folders to which the links lead. The first of them that looks like a
    task's name, such as `Task07_Pancreas`, is taken. If none does, the name as given is taken.
    """
    names = []
    for place in (
        described.parent.absolute(),
        described.parent.resolve(),
        described.resolve().parent,
    ):
        folder = place.parent if place.name in LABEL_FOLDERS else place
        names.append(folder.name)
    return next((name for name in names if _TASK.fullmatch(name)), names[0])
