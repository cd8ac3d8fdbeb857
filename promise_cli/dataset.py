"""A dataset folder in the layout of the Medical Segmentation Decathlon: dataset.json, imagesTr, labelsTr."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promise_cli.errors import DatasetError
from promise_cli.records import load_json
from promise_cli.volume import SUFFIXES, case_id, find_volumes

_NUMBER = re.compile(r"[0-9]{1,9}")
TUMOUR_WORDS = re.compile(r"cancer|tumou?r|lesion|carcinoma|sarcoma|metasta", re.IGNORECASE)


@dataclass(frozen=True)
class CaseFiles:
    """One scan with its label."""

    case_id: str
    image: Path
    label: Path


@dataclass(frozen=True)
class Dataset:
    """What dataset.json and the two folders say."""

    name: str
    """Of the folder, such as `Task07_Pancreas`."""
    folder: Path
    modality: str
    """`CT`, `MRI` ..., or an empty string where dataset.json does not say."""
    labels: dict[int, str]
    """Label value -> name, background left out."""
    cases: tuple[CaseFiles, ...]


def read_dataset(folder: Path) -> Dataset:
    """Read dataset.json as MSD writes it and pair images with labels.

    Raises:
        DatasetError: The folder or dataset.json is missing or odd, or an image or label lacks its partner.
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
    modality = content.get("modality", content.get("channel_names", {}))
    first = next(iter(modality.values()), "") if isinstance(modality, dict) else str(modality)
    cases = _listed_cases(folder, path, content)
    _check_pairs(folder, cases)
    return Dataset(folder.absolute().name, folder, str(first), _labels(path, content), cases)


def choose_target(dataset: Dataset, asked: str | None) -> tuple[int, str]:
    """The label to segment: the one asked for by name or number, else the one named cancer or tumour, else the last.

    Raises:
        DatasetError: No such label, or no label at all.
    """
    if not dataset.labels:
        raise DatasetError(
            f"{dataset.folder / 'dataset.json'}: labels names nothing but background"
        )
    shown = ", ".join(f"{value} {name}" for value, name in dataset.labels.items())
    if asked is not None:
        for value, name in dataset.labels.items():
            if asked == str(value) or asked.lower() == name.lower():
                return value, name
        raise DatasetError(
            f"{dataset.name}: no label '{asked}'; --target-label takes one of: {shown}"
        )
    named = [value for value, name in dataset.labels.items() if TUMOUR_WORDS.search(name)]
    value = named[0] if len(named) == 1 else max(dataset.labels)
    return value, dataset.labels[value]


def _labels(path: Path, content: dict[str, Any]) -> dict[int, str]:
    """MSD writes {"1": "pancreas"}, nnU-Net {"pancreas": 1}."""
    found = content.get("labels")
    if not isinstance(found, dict) or not found:
        raise DatasetError(
            f"{path}: no labels; expected for example {{'0': 'background', '1': 'tumour'}}"
        )
    labels: dict[int, str] = {}
    for key, item in found.items():
        value, name = (key, item) if _NUMBER.fullmatch(str(key)) else (item, key)
        if not _NUMBER.fullmatch(str(value)):
            raise DatasetError(f"{path}: label {key!r}: {item!r} names no whole number")
        if int(value) != 0:
            labels[int(value)] = str(name)
    return dict(sorted(labels.items()))


def _listed_cases(folder: Path, path: Path, content: dict[str, Any]) -> tuple[CaseFiles, ...]:
    if "training" not in content:  # nnU-Net lists no files
        return _found_cases(folder)
    if not isinstance(content["training"], list):
        raise DatasetError(f"{path}: training is no list of images and labels; correct it")
    cases: dict[str, CaseFiles] = {}
    for entry in content["training"]:
        if not isinstance(entry, dict) or not {"image", "label"} <= set(entry):
            raise DatasetError(f"{path}: training entry {entry!r} lacks image or label")
        image, label = (_existing(folder / str(entry[key])) for key in ("image", "label"))
        if image.name.startswith("._"):
            continue
        case = case_id(image)
        if case in ("", ".", ".."):
            raise DatasetError(f"{image}: no name is left for the case; rename the file")
        if case in cases:
            raise DatasetError(f"{path}: case {case} is listed twice in training; list it once")
        cases[case] = CaseFiles(case, image, label)
    if not cases:
        raise DatasetError(f"{path}: training lists no case")
    return tuple(cases[case] for case in sorted(cases))


def _found_cases(folder: Path) -> tuple[CaseFiles, ...]:
    for part in ("imagesTr", "labelsTr"):
        if not (folder / part).is_dir():
            raise DatasetError(f"{folder / part}: no such folder")
    images, labels = find_volumes(folder / "imagesTr"), find_volumes(folder / "labelsTr")
    for case, image in images.items():
        if case not in labels:
            raise DatasetError(
                f"{image}: image without label; add labelsTr/{image.name} or remove it"
            )
    return tuple(CaseFiles(case, image, labels[case]) for case, image in images.items())


def _existing(path: Path) -> Path:
    """The file, or the same one with the other suffix, as unpacking or packing leaves it."""
    if not path.exists():
        for suffix in SUFFIXES:
            other = path.with_name(case_id(path) + suffix)
            if other.exists():
                return other
    return path


def _check_pairs(folder: Path, cases: tuple[CaseFiles, ...]) -> None:
    for case in cases:
        if not case.image.exists():
            raise DatasetError(
                f"{case.image}: no such image, but {case.label.name} is listed as its label; add the image or"
                " take the case out of dataset.json"
            )
        if not case.label.exists():
            raise DatasetError(
                f"{case.label}: no such label for image {case.image.name}; add the label or take the case out"
                " of dataset.json"
            )
    labels = folder / "labelsTr"
    listed = {case.label.name for case in cases}
    for label in find_volumes(labels).values() if labels.is_dir() else ():
        if label.name not in listed and not _existing(folder / "imagesTr" / label.name).exists():
            raise DatasetError(
                f"{label}: label without image; add imagesTr/{label.name} or remove the label"
            )
