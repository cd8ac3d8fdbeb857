"""Measure and verify one case in the same pass, since both need all of its voxels."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

from promise_cli.dataset.channels import describe_channel, is_ct
from promise_cli.dataset.fingerprint.air import check_air
from promise_cli.dataset.fingerprint.extents import target_extents
from promise_cli.dataset.fingerprint.intensities import Histogram
from promise_cli.dataset.fingerprint.verification import (
    Problem,
    below,
    check_fill,
    check_intensities,
    check_labels,
    compare_grids,
    count_labels,
    error_of,
    warning_of,
)
from promise_cli.dataset.folder import CaseFiles, Dataset, Labels, as_tuple, is_target
from promise_cli.dataset.objects import TargetObject
from promise_cli.errors import DatasetError, VolumeError
from promise_cli.geometry.grid import Shape, Spacing
from promise_cli.volume import Orientation, Volume, read_label, read_scan, size_question


@dataclass(frozen=True, kw_only=True)
class CaseFingerprint:
    """Measurements of one case as its files store it; part of `fingerprint.json`."""

    case_id: str
    image: str
    """Path of the image, relative to the dataset's folder."""
    further_images: tuple[str, ...] = ()
    """Paths of the channels after the first; empty if `image` holds all channels."""
    label: str
    """Path of the label file, relative to the dataset's folder."""
    shape: Shape
    """Voxels along each of the file's axes."""
    spacing: Spacing
    """Spacing in mm along each of the file's axes."""
    axes: str
    """Directions of the file's axes, such as `RAS` or `LPI`."""
    label_voxels: dict[str, int]
    """Label value -> number of voxels, without the background."""
    target_ml: float
    """Volume of the target in millilitres."""
    target_mm: Spacing | None = None
    """Edges in mm of the box around the target, along each of the file's axes; None in files of older versions.
    With objects, each edge is the longest one over the boxes of all objects."""
    lesion_mm: Spacing | None = None
    """Longest edges in mm of the boxes around single lesions, along each of the file's axes; None in older files."""
    shear_degrees: float = 0.0
    """Largest deviation of two axes from a right angle, in degrees."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Measurement:
    """What was found when a case was read once."""

    problems: tuple[Problem, ...]
    case: CaseFingerprint | None
    """Measurements of the case; None if a problem is an error."""
    target: Histogram | None
    """Intensities of the target in the first channel; None if a problem is an error."""
    further: tuple[Histogram, ...] = ()
    """Intensities of the target in the channels after the first."""

    @property
    def errors(self) -> tuple[str, ...]:
        """Reasons why the case cannot be used; empty if it can be used."""
        return tuple(problem.text for problem in self.problems if problem.severity == "error")


def measure_case(
    files: CaseFiles, dataset: Dataset, target_label: Labels
) -> tuple[CaseFingerprint, Histogram]:
    """Measure one case that must be usable.

    Returns:
        The case's fingerprint, and the intensities of its target voxels.

    Raises:
        DatasetError: A file is unreadable, image and label do not match, or the target is empty.
    """
    measurement = verify_case(files, dataset, target_label)
    if measurement.case is None or measurement.target is None:
        raise DatasetError(full_text(measurement.errors[0], dataset.folder))
    return measurement.case, measurement.target


def verify_case(
    files: CaseFiles,
    dataset: Dataset,
    target_label: Labels,
    objects: Sequence[TargetObject] = (),
) -> Measurement:
    """Read one case, measure it, and gather everything that is wrong with it.

    Nothing is raised for a bad case: what is wrong is in the result.

    Args:
        files: Image and label of the case.
        dataset: The dataset.
        target_label: Label value of the target, or several values.
        objects: Objects that form the target. The extents are then the longest ones over the objects. A case may
            have no voxel of some objects.
    """
    errors: list[object] = []
    if files.label.resolve() in [image.resolve() for image in files.images]:
        errors.append(f"{files.label}: image and label are the same file; correct dataset.json")
    read_image = functools.partial(read_scan, files.images, dataset.channels, keep_integers=True)
    image = _read(lambda _, orientation: read_image(orientation), files.image, errors)
    label = _read(functools.partial(read_label, like=image), files.label, errors)
    found: dict[int, int] = {}
    if label is not None:
        found = count_labels(label.array)
        if image is not None and (apart := compare_grids(files, image, label)) is not None:
            errors.append(apart)
        errors += check_labels(files, dataset, target_label, found)
    problems = [error_of(dataset, text) for text in errors]
    if image is not None:
        notes = [
            *image.notes,
            *size_question(image.stored_grid),
            *_question_channels(image, dataset),
        ]
        problems += [warning_of(dataset, files.image, note) for note in notes]
    if label is not None:
        own = [note for note in label.notes if image is None or note not in image.notes]
        problems += [warning_of(dataset, files.label, note) for note in own]
    if errors or image is None or label is None:
        return Measurement(tuple(problems), None, None)
    values = as_tuple(target_label)
    inside = is_target(label.array, values)
    target, *further = targets = [channel[inside] for channel in image.channels]
    odd = check_fill(image.channels[0], target) or check_air(
        list(image.channels), targets, dataset.channels
    )
    problems += [warning_of(dataset, files.label, note) for note in odd]
    target_mm, lesion_mm = _extents(label.array, inside, objects, _rounded(image.grid.spacing))
    case = CaseFingerprint(
        case_id=files.case_id,
        image=below(files.image, dataset),
        further_images=tuple(below(path, dataset) for path in files.further),
        label=below(files.label, dataset),
        shape=image.grid.shape,
        spacing=_rounded(image.grid.spacing),
        axes="".join(aff2axcodes(image.grid.affine)),
        label_voxels={str(value): count for value, count in found.items()},
        target_ml=round(sum(found.get(value, 0) for value in values) * image.grid.voxel_ml, 4),
        target_mm=target_mm,
        lesion_mm=lesion_mm,
        shear_degrees=round(image.grid.shear_degrees, 2),
        warnings=tuple(problem.text for problem in problems),
    )
    return Measurement(
        tuple(problems), case, Histogram.of(target), tuple(Histogram.of(one) for one in further)
    )


def _extents(
    label: NDArray[Any],
    inside: NDArray[np.bool_],
    objects: Sequence[TargetObject],
    spacing: Spacing,
) -> tuple[Spacing, Spacing]:
    """Measure the boxes around the target and its lesions; with objects, the longest edges over all objects."""
    masks = (is_target(label, one.values) for one in objects) if objects else [inside]
    found = [target_extents(mask, spacing) for mask in masks if mask.any()]
    whole, lesion = (tuple(np.max(sizes, axis=0).tolist()) for sizes in zip(*found, strict=True))
    return whole, lesion


def _question_channels(image: Volume, dataset: Dataset) -> list[str]:
    """Return warnings about the intensities of each channel, which name the channel if there are several."""
    notes = []
    for number, (channel, name) in enumerate(zip(image.channels, dataset.channels, strict=True), 1):
        which = f"{describe_channel(number, name)}: " if dataset.further_channels else ""
        notes += [f"{which}{note}" for note in check_intensities(channel, is_ct(name))]
    return notes


def full_text(text: str, folder: Path) -> str:
    """Return a problem's text with the full path of its file."""
    return text if Path(text).is_absolute() else f"{folder}/{text}"


def _read(
    read: Callable[[Path, Orientation], Volume], path: Path, errors: list[object]
) -> Volume | None:
    try:
        return read(path, "as_stored")
    except VolumeError as error:
        errors.append(error)
    except OSError as error:
        errors.append(f"{path}: {error.strerror or error}; check its permissions and the disk")
    return None


def _rounded(spacing: Spacing) -> Spacing:
    i, j, k = (round(edge, 6) for edge in spacing)
    return i, j, k
