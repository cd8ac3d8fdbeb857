"""Find errors and warnings in a case's image and label. A case with an error cannot be used."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.fingerprint.air import AIR_HU
from promise_cli.dataset.folder import CaseFiles, Dataset, Labels, as_tuple, label_text
from promise_cli.errors import listed
from promise_cli.geometry.box import bounding_box
from promise_cli.geometry.grid import format_shape
from promise_cli.volume import Volume, describe_turn

WINDOW_SHARE = 0.005
"""A CT scan was windowed if more than this share of its voxels have its lowest intensity, and more than this share its
highest."""
NARROW_HU = 20
"""A CT scan was normalised if its highest and lowest intensity differ by less than this."""
MOST_OF_SCAN = 0.9
"""Share of the scan's voxels; a target that fills more is questioned."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a case."""

    severity: Literal["error", "warning"]
    text: str
    """One line with the file, relative to the dataset's folder if it lies there, what was found and what to do."""


def error_of(dataset: Dataset, message: object) -> Problem:
    """Return an error with this message; a path at its beginning is made relative to the dataset's folder."""
    return Problem(severity="error", text=str(message).removeprefix(f"{dataset.folder}/"))


def warning_of(dataset: Dataset, path: Path, note: str) -> Problem:
    """Return a warning about a file."""
    return Problem(severity="warning", text=f"{below(path, dataset)}: {note}")


def below(path: Path, dataset: Dataset) -> str:
    """Return a path relative to the dataset's folder; unchanged if it lies elsewhere."""
    if path.is_relative_to(dataset.folder):
        return path.relative_to(dataset.folder).as_posix()
    return str(path)


def compare_grids(files: CaseFiles, image: Volume, label: Volume) -> str | None:
    """Return an error message if label and image do not lie on the same grid, otherwise None."""
    turn = describe_turn(label.grid, image.grid)
    if image.grid.shape != label.grid.shape:
        return (
            f"{files.label}: {format_shape(label.grid.shape)} voxels, but its image has"
            f" {format_shape(image.grid.shape)}{f' ({turn})' if turn else ''}; export the label on the image's grid"
        )
    if not label.grid.is_that_of(image.grid):
        apart = image.grid.distance_mm(label.grid)
        return (
            f"{files.label}: its corners lie up to {apart:.3g} mm from those of its image"
            f" ({turn or 'spacing or affine differ'}); export the label on the image's grid"
        )
    return None


def count_labels(label: NDArray[Any]) -> dict[int, int]:
    """Return label value -> number of voxels, without the background, by rising value."""
    inside = label[bounding_box(label)]
    if not inside.size:
        return {}
    values, counts = np.unique(inside, return_counts=True)
    found = {int(value): int(count) for value, count in zip(values, counts, strict=True)}
    found.pop(0, None)
    return found


def check_labels(
    files: CaseFiles, dataset: Dataset, target_label: Labels, found: dict[int, int]
) -> list[str]:
    """Return error messages about label values that dataset.json does not name, and about an empty target."""
    texts = []
    odd = [value for value in found if value not in dataset.values]
    if odd:
        shown = listed(odd, 5)
        texts.append(
            f"{files.label}: label value{'s' if odd[1:] else ''} {shown} {'are' if odd[1:] else 'is'} not in"
            f" dataset.json (0 and {listed(dataset.values)}); correct the label or dataset.json"
        )
    values = as_tuple(target_label)
    if not any(value in found for value in values):
        names = "+".join(dataset.labels.get(value, str(value)) for value in values)
        texts.append(
            f"{files.label}: the label is empty: no voxel of {label_text(values)}"
            f" ({names}); correct it, or leave the case out with --skip-bad"
        )
    return texts


def check_fill(array: NDArray[Any], target: NDArray[Any]) -> list[str]:
    """Return a warning about a target that fills nearly the whole scan.

    Args:
        array: Intensities of a channel of the scan, (I, J, K).
        target: Intensities of the target's voxels, (N,).
    """
    filled = target.size / array.size
    if filled <= MOST_OF_SCAN:
        return []
    return [f"the target fills {filled:.0%} of the scan: are target and background swapped?"]


def check_intensities(array: NDArray[Any], is_ct: bool) -> list[str]:
    """Return warnings about a scan that has one single intensity, and about a CT scan that is not in HU."""
    low, high = array.min(), array.max()
    if low == high:
        return [f"every voxel is {low:g}; is this the scan?"]
    if not is_ct:
        return []
    shown = f"intensities from {low:g} to {high:g}"
    if float(high) - float(low) < NARROW_HU:
        return [f"{shown} in a CT scan: normalised instead of HU?"]
    if low >= 0:
        return [f"{shown} in a CT scan: windowed or shifted instead of HU?"]
    if low > AIR_HU and all(
        np.count_nonzero(array == end) > WINDOW_SHARE * array.size for end in (low, high)
    ):
        return [f"{shown} in a CT scan, many of them at either end: windowed instead of HU?"]
    return []
