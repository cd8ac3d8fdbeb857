"""Objects of a plan: labels and regions of a dataset, of which each click asks one network for one.

Two objects share no label value, or one of them lies within the other, as nnU-Net's regions do. One number for each
voxel is therefore enough, in masks and in the targets of preprocessed cases: the `mask_value` of the smallest object
that holds the voxel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promise_cli.dataset.folder import IGNORE, Dataset, label_text
from promise_cli.errors import DatasetError, listed, shown

EACH = "each"
"""Word that stands for all labels and regions of a dataset."""
LARGEST_VALUE = 255
"""Largest value of a voxel of a mask."""


@dataclass(frozen=True, kw_only=True)
class TargetObject:
    """A label, or a region of several labels, that a click can ask for."""

    name: str
    values: tuple[int, ...]
    """Values of the object in label files, rising."""
    mask_value: int
    """Value in masks of the object's voxels that belong to no smaller object within it."""

    @property
    def label(self) -> int | str:
        """The object as results show it: its label value, or `1+2` if several values form it."""
        return label_text(self.values)


def parts_of(one: TargetObject, objects: Sequence[TargetObject]) -> tuple[TargetObject, ...]:
    """Return the objects that lie within an object, including the object itself."""
    return tuple(other for other in objects if set(other.values) <= set(one.values))


def mask_values_of(one: TargetObject, objects: Sequence[TargetObject]) -> tuple[int, ...]:
    """Return all values of an object's voxels in masks: its own, and those of the objects within it."""
    return tuple(sorted(part.mask_value for part in parts_of(one, objects)))


def by_size(objects: Sequence[TargetObject]) -> list[TargetObject]:
    """Return the objects, those with most label values first. Each object comes before those within it."""
    return sorted(objects, key=lambda one: -len(one.values))


def all_values(objects: Sequence[TargetObject]) -> tuple[int, ...]:
    """Return all label values of the objects, rising."""
    return tuple(sorted({value for one in objects for value in one.values}))


def find_object(objects: Sequence[TargetObject], asked: str) -> TargetObject | None:
    """Return the object with this label value, mask value or name, in upper or lower case; None if there is none."""
    text = asked.strip().lower()
    by_value = (one for one in objects if text in (str(one.label), str(one.mask_value)))
    by_name = (one for one in objects if text == one.name.lower())
    return next(by_value, None) or next(by_name, None)


def list_objects(objects: Sequence[TargetObject]) -> str:
    """Return names and label values of all objects, for messages: `Anterior (1), Posterior (2)`."""
    return ", ".join(f"{one.name} ({one.label})" for one in objects)


def check_objects(objects: Sequence[TargetObject]) -> None:
    """Check that the value of a voxel in a mask always shows which objects hold the voxel.

    Raises:
        ValueError: An object has no name or no rising values, two have the same name, values or mask value, or two
            overlap without one lying within the other.
    """
    for one in objects:
        if not one.name or not one.values or one.values != tuple(sorted(set(one.values))):
            raise ValueError(f"object {shown(one.name)} needs a name and rising values")
        if min(one.values) < 1 or not 1 <= one.mask_value <= LARGEST_VALUE:
            raise ValueError(
                f"object {shown(one.name)}: values must be 1 or more, and mask_value 1 to {LARGEST_VALUE}"
            )
    for number, one in enumerate(objects):
        for other in objects[:number]:
            _check_pair(other, one)


def _check_pair(one: TargetObject, other: TargetObject) -> None:
    pair = f"{shown(one.name)} ({one.label}) and {shown(other.name)} ({other.label})"
    if one.name.lower() == other.name.lower():
        raise ValueError(f"objects {pair} have the same name; give each a name of its own")
    if one.values == other.values:
        raise ValueError(f"objects {pair} are the same; leave out one of them")
    if one.mask_value == other.mask_value:
        raise ValueError(f"objects {pair} have the same mask_value; give each its own")
    common = set(one.values) & set(other.values)
    if common and common not in (set(one.values), set(other.values)):
        raise ValueError(
            f"objects {pair} overlap, but neither lies within the other, so one mask cannot hold both; leave out one"
        )


def choose_objects(dataset: Dataset, asked: Sequence[str]) -> tuple[TargetObject, ...]:
    """Return the objects of a dataset that are asked for, by rising label value.

    Args:
        dataset: The dataset, read with its regions.
        asked: `each` for all labels and regions other than `ignore`; otherwise names or numbers of labels, names of
            regions, or new regions such as `whole=1,2,3`.

    Raises:
        DatasetError: There is no such label, or the objects cannot be told apart in one mask.
    """
    path, entries = dataset.folder / "dataset.json", entries_of(dataset)
    if list(asked) == [EACH]:
        wanted = {name: of for name, of in entries.items() if name.lower() != IGNORE}
    else:
        wanted = dict(_read_object(text, dataset, entries) for text in asked)
    if not wanted:
        raise DatasetError(
            f"{path}: labels has no entry besides background and 'ignore'; add the objects"
        )
    return make_objects(dataset, wanted)


def entries_of(dataset: Dataset) -> dict[str, tuple[int, ...]]:
    """Return name -> label values of all labels and regions. A label with an empty name has its value as its name.

    Raises:
        DatasetError: Two labels have the same name.
    """
    entries: dict[str, tuple[int, ...]] = {
        name or str(value): (value,) for value, name in dataset.labels.items()
    }
    if len(entries) < len(dataset.labels):
        raise DatasetError(
            f"{dataset.folder / 'dataset.json'}: two labels have the same name; give each a name of its own"
        )
    return entries | dataset.regions


def make_objects(
    dataset: Dataset, wanted: Mapping[str, tuple[int, ...]]
) -> tuple[TargetObject, ...]:
    """Return objects with these names and label values, by rising label value.

    The mask value of an object is the smallest of its label values that no smaller object within it has. If there is
    none, it is the smallest value that no label has.

    Raises:
        DatasetError: The objects cannot be told apart in one mask.
    """
    chosen = dict(sorted(wanted.items(), key=lambda item: (item[1], item[0])))
    free = (value for value in range(1, LARGEST_VALUE + 1) if value not in dataset.values)
    objects = []
    for name, values in chosen.items():
        inner = {v for other in chosen.values() if set(other) < set(values) for v in other}
        own = [value for value in values if value not in inner]
        objects.append(
            TargetObject(name=name, values=values, mask_value=own[0] if own else next(free, 0))
        )
    try:
        check_objects(objects)
    except ValueError as error:
        raise DatasetError(f"{dataset.folder / 'dataset.json'}: {error}") from None
    return tuple(objects)


def _read_object(
    text: str, dataset: Dataset, entries: dict[str, tuple[int, ...]]
) -> tuple[str, tuple[int, ...]]:
    """Return name and label values of one object that is asked for."""
    for name, values in entries.items():
        if text.lower() == name.lower() or text == str(label_text(values)):
            return name, values
    name, equals, numbers = text.rpartition("=")
    parts = numbers.split(",")
    if name and equals and all(part.strip().isdecimal() for part in parts):
        found = tuple(sorted({int(part) for part in parts}))
        if set(found) <= set(dataset.values):
            return name, found
    names = listed(f"{label_text(values)} {name}" for name, values in entries.items())
    raise DatasetError(
        f"{dataset.name}: no object '{text}'; --objects takes each, NAME=VALUE,VALUE with values of dataset.json, or"
        f" some of: {names}"
    )
