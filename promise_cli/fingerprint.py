"""What the cases look like before anything is decided: shapes, spacings, the target's intensities.

Measuring a case is also where it is verified, since both need every voxel once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

from promise_cli.dataset import CaseFiles, Dataset
from promise_cli.errors import DatasetError
from promise_cli.grid import Shape, Spacing, format_shape
from promise_cli.volume import Volume, read_label, read_volume

FORMAT_VERSION = 1
MAX_INTENSITIES = 10_000_000
"""Voxels kept per case for the percentiles; beyond, the sorted intensities are thinned evenly."""
GRID_TOLERANCE = 0.1
"""How far corners of image and label may lie apart, as a share of the smallest spacing."""


@dataclass(frozen=True, kw_only=True)
class CaseFingerprint:
    """One case as it is stored."""

    case_id: str
    image: str
    """Path below the dataset's folder."""
    label: str
    shape: Shape
    spacing: Spacing
    """Millimetres."""
    axes: str
    """Where the file's axes point: `RAS`, `LPI` ..."""
    label_voxels: dict[str, int]
    """Label value -> number of voxels, background left out."""
    target_ml: float


@dataclass(frozen=True, kw_only=True)
class Intensities:
    """Of the target's voxels over all cases, as stored (HU for CT)."""

    num_voxels: int
    """How many intensities the numbers below are made of."""
    minimum: float
    percentile_00_5: float
    median: float
    mean: float
    percentile_99_5: float
    maximum: float
    std: float


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """`fingerprint.json`."""

    format_version: int = FORMAT_VERSION
    dataset: str
    source: str
    """The dataset's folder, below the root where it lies there."""
    modality: str
    labels: dict[str, str]
    """Label value -> name."""
    target_label: int
    target_name: str
    median_shape: Shape
    median_spacing: Spacing
    foreground: Intensities
    cases: tuple[CaseFingerprint, ...]


def measure_case(
    files: CaseFiles, dataset: Dataset, target_label: int
) -> tuple[CaseFingerprint, NDArray[np.float32]]:
    """Read and verify one case.

    Returns:
        Its fingerprint, and the sorted intensities of its target voxels.

    Raises:
        DatasetError: A file is unreadable, image and label do not match, or the target is empty.
    """
    image, label = read_volume(files.image, "as_stored"), read_label(files.label, "as_stored")
    _check_grids(files, image, label)
    values, counts = np.unique(label.array, return_counts=True)
    found = {int(value): int(count) for value, count in zip(values, counts, strict=True)}
    found.pop(0, None)
    for value in found:
        if value not in dataset.labels:
            raise DatasetError(
                f"{files.label}: label value {value} is not in dataset.json (0 and"
                f" {', '.join(map(str, dataset.labels))}); correct the label or dataset.json"
            )
    name = dataset.labels[target_label]
    if target_label not in found:
        raise DatasetError(
            f"{files.label}: the label is empty: no voxel of {target_label} ({name});"
            " correct it, or leave the case out with --skip-bad"
        )
    intensities = np.sort(image.array[label.array == target_label])
    spacing = image.grid.spacing
    return (
        CaseFingerprint(
            case_id=files.case_id,
            image=_below(files.image, dataset),
            label=_below(files.label, dataset),
            shape=image.grid.shape,
            spacing=(round(spacing[0], 6), round(spacing[1], 6), round(spacing[2], 6)),
            axes="".join(aff2axcodes(image.grid.affine)),
            label_voxels={str(value): count for value, count in found.items()},
            target_ml=round(found[target_label] * float(np.prod(spacing)) / 1000, 4),
        ),
        intensities[:: max(1, -(-intensities.size // MAX_INTENSITIES))],
    )


def make_fingerprint(
    dataset: Dataset,
    source: str,
    target: tuple[int, str],
    measured: Sequence[tuple[CaseFingerprint, NDArray[np.float32]]],
) -> Fingerprint:
    """Gather the cases; `measured` is what `measure_case` gave for each of them."""
    cases = tuple(case for case, _ in measured)
    values = np.concatenate([intensities for _, intensities in measured]).astype(np.float64)
    low, median, high = np.percentile(values, [0.5, 50, 99.5]).tolist()
    i, j, k = np.median([case.shape for case in cases], axis=0).tolist()
    di, dj, dk = np.median([case.spacing for case in cases], axis=0).tolist()
    return Fingerprint(
        dataset=dataset.name,
        source=source,
        modality=dataset.modality,
        labels={str(value): name for value, name in dataset.labels.items()},
        target_label=target[0],
        target_name=target[1],
        median_shape=(int(i), int(j), int(k)),
        median_spacing=(di, dj, dk),
        foreground=Intensities(
            num_voxels=values.size,
            minimum=float(values.min()),
            percentile_00_5=low,
            median=median,
            mean=float(values.mean()),
            percentile_99_5=high,
            maximum=float(values.max()),
            std=float(values.std()),
        ),
        cases=cases,
    )


def _check_grids(files: CaseFiles, image: Volume, label: Volume) -> None:
    if image.grid.shape != label.grid.shape:
        raise DatasetError(
            f"{files.label}: {format_shape(label.grid.shape)} voxels, but its image has"
            f" {format_shape(image.grid.shape)}; export the label on the image's grid"
        )
    apart = image.grid.distance_mm(label.grid)
    if apart > GRID_TOLERANCE * min(image.grid.spacing):
        raise DatasetError(
            f"{files.label}: its corners lie up to {apart:.3g} mm from those of its image (spacing or"
            " affine differ); export the label on the image's grid"
        )


def _below(path: Path, dataset: Dataset) -> str:
    return (
        path.relative_to(dataset.folder).as_posix()
        if path.is_relative_to(dataset.folder)
        else str(path)
    )
