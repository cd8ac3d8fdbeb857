"""Read a dataset folder in the layout of MSD or nnU-Net v2: dataset.json, imagesTr, labelsTr."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.listing import CaseFiles, find_cases
from promise_cli.disk.records import load_json
from promise_cli.errors import DatasetError, listed, shown

__all__ = [
    "IGNORE",
    "CaseFiles",
    "Dataset",
    "Labels",
    "as_tuple",
    "choose_target",
    "choose_targets",
    "is_target",
    "label_text",
    "read_dataset",
    "read_labels",
    "single_value",
]

MOST_CHANNELS = 64
_NUMBER = re.compile(r"[0-9]{1,9}")
IGNORE = "ignore"
"""nnU-Net's name for the label of voxels that nobody annotated."""
TUMOUR_WORDS = re.compile(r"cancer|tumou?r|lesion|carcinoma|sarcoma|metasta", re.IGNORECASE)


Labels = int | tuple[int, ...]
"""Label value of the target, or several values that together are the target."""


@dataclass(frozen=True)
class Dataset:
    """Content of dataset.json, imagesTr and labelsTr."""

    name: str
    """Name of the dataset's folder, such as `Task07_Pancreas`."""
    folder: Path
    modality: str
    """Modality of the first channel, such as `CT` or `MRI`; an empty string if dataset.json does not name it."""
    labels: dict[int, str]
    """Label value -> name, without the background."""
    cases: tuple[CaseFiles, ...]
    """Cases whose image and label both exist, sorted by case id."""
    broken: dict[str, str] = field(default_factory=dict)
    """Case id -> what is wrong with its files."""
    further_channels: tuple[str, ...] = ()
    """Names of the channels after the first; empty for scans of one channel."""
    regions: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Name -> rising label values of nnU-Net's regions of several labels."""

    @property
    def values(self) -> tuple[int, ...]:
        """All values that label files may hold, without the background, rising."""
        return tuple(
            sorted({*self.labels, *(value for of in self.regions.values() for value in of)})
        )

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of all channels, in the order of the scans' files. A name may be empty."""
        return (self.modality, *self.further_channels)


def read_dataset(folder: Path, *, keep_broken: bool = False, with_regions: bool = False) -> Dataset:
    """Read dataset.json as MSD or nnU-Net v2 writes it, and pair images with labels.

    Args:
        folder: The folder with dataset.json, imagesTr and labelsTr.
        keep_broken: Whether a case with a missing image or label is listed in `broken` instead of being an error.
        with_regions: Whether nnU-Net's regions of several labels are listed in `regions` instead of being an error.

    Raises:
        DatasetError: The folder or dataset.json is missing or not as expected, or an image or label is missing.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder")
    path = folder / "dataset.json"
    if not path.exists():
        raise DatasetError(
            f"{folder}: no dataset.json; expected an MSD folder with dataset.json, imagesTr and labelsTr"
        )
    content = load_json(path)
    if not isinstance(content, dict):
        raise DatasetError(
            f"{path}: expected an object with labels and training, found {type(content).__name__}"
        )
    first, *further = _channels(path, content)
    regions = take_regions(path, content) if with_regions else {}
    labels = read_labels(path, content, regions)
    cases, broken = find_cases(folder, content, num_channels=1 + len(further))
    if broken and not keep_broken:
        raise DatasetError(next(iter(broken.values())))
    name = folder.absolute().name
    return Dataset(name, folder, first, labels, cases, broken, tuple(further), regions)


def _channels(path: Path, content: dict[str, Any]) -> list[str]:
    """Return the names of all channels that dataset.json declares, by rising number; one empty name if it has none.

    Raises:
        DatasetError: A name is not a text, or there are more than `MOST_CHANNELS`.
    """
    found = content.get("modality", content.get("channel_names", {}))
    if not isinstance(found, dict):
        found = {"0": found}
    numbered = all(_NUMBER.fullmatch(key) for key in found)
    keys = sorted(found, key=int) if numbered else list(found)
    for key in keys:
        if not isinstance(found[key], str):
            raise DatasetError(
                f"{path}: modality {shown(found[key])} is not a name; write for example {{'0': 'CT'}}"
            )
    if len(keys) > MOST_CHANNELS:
        raise DatasetError(
            f"{path}: declares {len(keys)} channels, but at most {MOST_CHANNELS} are supported; correct it"
        )
    return [found[key] for key in keys] or [""]


def choose_target(dataset: Dataset, asked: str | None) -> tuple[int, str]:
    """Return value and name of the label to segment.

    This is the label that is asked for by name or number. If none is asked for, it is the only label whose name says
    tumour (see `TUMOUR_WORDS`), otherwise the label with the largest value.

    Raises:
        DatasetError: The label that is asked for does not exist, or there is no label besides background and `ignore`.
    """
    if not dataset.labels:
        raise DatasetError(
            f"{dataset.folder / 'dataset.json'}: labels has no entry besides background; add the target"
        )
    choices = listed(f"{value} {name}" for value, name in dataset.labels.items())
    if asked is not None:
        for value, name in dataset.labels.items():
            if asked == str(value) or asked.lower() == name.lower():
                return value, name
        raise DatasetError(
            f"{dataset.name}: no label '{asked}'; --target-label takes one of: {choices}"
        )
    judged = {value: name for value, name in dataset.labels.items() if name.lower() != IGNORE}
    if not judged:
        raise DatasetError(
            f"{dataset.folder / 'dataset.json'}: labels has no entry besides background and 'ignore'; add the target"
        )
    named = [value for value, name in judged.items() if TUMOUR_WORDS.search(name)]
    value = named[0] if len(named) == 1 else max(judged)
    return value, dataset.labels[value]


def choose_targets(dataset: Dataset, asked: Sequence[str]) -> tuple[Labels, str]:
    """Return the labels that together are the target. If fewer than two are asked for, `choose_target` chooses one.

    Args:
        dataset: The dataset.
        asked: Names or numbers of labels.

    Returns:
        The value and its name, or the values in rising order and their names joined by a plus.

    Raises:
        DatasetError: A label that is asked for does not exist, or there is no label at all.
    """
    if len(asked) < 2:
        return choose_target(dataset, asked[0] if asked else None)
    chosen = dict(sorted(choose_target(dataset, one) for one in asked))
    if len(chosen) == 1:
        return next(iter(chosen.items()))
    return tuple(chosen), "+".join(chosen.values())


def as_tuple(labels: Labels) -> tuple[int, ...]:
    """Return one or several label values as a tuple."""
    return (labels,) if isinstance(labels, int) else labels


def is_target(label: NDArray[Any], values: Sequence[int]) -> NDArray[np.bool_]:
    """Return which voxels of a label file's array have one of the values. The result has the array's shape."""
    if len(values) == 1:
        return label == values[0]  # much faster than np.isin
    return np.isin(label, values)


def label_text(labels: Labels) -> int | str:
    """Return a target as results show it: its label value, or `1+2` if several values form it."""
    values = as_tuple(labels)
    return values[0] if len(values) == 1 else "+".join(map(str, values))


def single_value(item: Any) -> Any:
    """Return the value of a region that has only one, such as nnU-Net's `[1]`; anything else is returned unchanged."""
    return item[0] if isinstance(item, list) and len(item) == 1 else item


def take_regions(path: Path, content: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return name -> rising label values of nnU-Net's regions, which are lists of several values in dataset.json.

    Raises:
        DatasetError: A value of a region is not a whole number of at least 1.
    """
    found = content.get("labels")
    regions: dict[str, tuple[int, ...]] = {}
    for name, item in found.items() if isinstance(found, dict) else ():
        if isinstance(item, list) and len(item) > 1:
            if not all(_NUMBER.fullmatch(str(value)) and int(value) for value in item):
                raise DatasetError(
                    f"{path}: region {shown(name)}: {shown(item)} are not whole numbers from 1; correct them"
                )
            regions[name] = tuple(sorted({int(value) for value in item}))
    return regions


def read_labels(
    path: Path, content: dict[str, Any], regions: Collection[str] = ()
) -> dict[int, str]:
    """Return label value -> name from the content of dataset.json, without the background, by rising value.

    MSD writes {"1": "pancreas"}, nnU-Net {"pancreas": 1} or {"pancreas": [1]}; all are understood.

    Args:
        path: The path of dataset.json, for messages.
        content: Its content.
        regions: Names of regions of several labels, which are left out.

    Raises:
        DatasetError: No label is listed, a label's value is not one whole number, or a value is listed twice.
    """
    found = content.get("labels")
    if not isinstance(found, dict) or not found:
        raise DatasetError(
            f"{path}: no labels; expected for example {{'0': 'background', '1': 'tumour'}}"
        )
    labels: dict[int, str] = {}
    for key, item in found.items():
        if key in regions:
            continue
        value, name = (key, item) if _NUMBER.fullmatch(str(key)) else (single_value(item), key)
        if isinstance(value, list):
            raise DatasetError(
                f"{path}: label {shown(name)} is a region of several values {value}; give each label one whole number,"
                " or segment each region with --objects each"
            )
        if not _NUMBER.fullmatch(str(value)):
            raise DatasetError(
                f"{path}: label {shown(key)}: {shown(item)} is not a whole number; correct it"
            )
        if int(value) in labels:
            raise DatasetError(
                f"{path}: label value {int(value)} is named twice ({labels[int(value)]}, {name}); name it once"
            )
        if int(value) != 0:
            labels[int(value)] = str(name)
    return dict(sorted(labels.items()))
