"""`fingerprint.json`: what the cases look like before anything is decided."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promise_cli.dataset.fingerprint.intensities import (
    Histogram,
    Intensities,
    describe_intensities,
    join_histograms,
)
from promise_cli.dataset.fingerprint.measurement import CaseFingerprint
from promise_cli.dataset.folder import Dataset, Labels, as_tuple
from promise_cli.geometry.grid import Shape, Spacing

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A case that `--skip-bad` went on without."""

    case_id: str
    errors: tuple[str, ...]


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
    target_labels: tuple[int, ...] = ()
    """Values of all labels that form the target, where there are several; empty for a single one."""
    target_name: str
    median_shape: Shape
    median_spacing: Spacing
    foreground: Intensities
    cases: tuple[CaseFingerprint, ...]
    left_out: tuple[LeftOut, ...] = ()


def make_fingerprint(
    dataset: Dataset,
    source: str,
    target: tuple[Labels, str],
    measured: Sequence[tuple[CaseFingerprint, Histogram]],
    left_out: Sequence[LeftOut] = (),
) -> Fingerprint:
    """Gather the cases; `measured` is what `measure_case` gave for each of them."""
    cases = tuple(case for case, _ in measured)
    values = as_tuple(target[0])
    i, j, k = np.median([case.shape for case in cases], axis=0).tolist()
    di, dj, dk = np.median([case.spacing for case in cases], axis=0).tolist()
    return Fingerprint(
        dataset=dataset.name,
        source=source,
        modality=dataset.modality,
        labels={str(value): name for value, name in dataset.labels.items()},
        target_label=values[0],
        target_labels=values if len(values) > 1 else (),
        target_name=target[1],
        median_shape=(int(i), int(j), int(k)),
        median_spacing=(di, dj, dk),
        foreground=describe_intensities(join_histograms([target for _, target in measured])),
        cases=cases,
        left_out=tuple(left_out),
    )
