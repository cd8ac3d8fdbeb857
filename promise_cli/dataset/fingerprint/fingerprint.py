"""The record `fingerprint.json`: what is measured in the cases before a plan is made."""

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
from promise_cli.dataset.objects import TargetObject
from promise_cli.geometry.grid import Shape, Spacing

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A bad case that `--skip-bad` left out, with its errors."""

    case_id: str
    errors: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ChannelFingerprint:
    """Measurements of one channel over all cases."""

    modality: str
    """Name of the channel, such as `T2`."""
    foreground: Intensities
    """Intensities of the target in this channel over all cases."""


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Content of `fingerprint.json`."""

    format_version: int = FORMAT_VERSION
    dataset: str
    source: str
    """Path of the dataset's folder, relative to the root if it lies below the root."""
    modality: str
    """Name of the first channel, or of the only one."""
    labels: dict[str, str]
    """Label value -> name."""
    target_label: int
    target_labels: tuple[int, ...] = ()
    """Values of all labels that form the target, where there are several; empty for a single one."""
    target_name: str
    objects: tuple[TargetObject, ...] = ()
    """Objects that form the target and that a click can ask for; empty for one target."""
    median_shape: Shape
    """Median over the cases of the voxels along each of the file's axes."""
    median_spacing: Spacing
    """Median over the cases of the spacing in mm along each of the file's axes."""
    foreground: Intensities
    """Intensities of the target over all cases, in the first channel."""
    further_channels: tuple[ChannelFingerprint, ...] = ()
    """Measurements of the channels after the first; empty for scans of one channel."""
    cases: tuple[CaseFingerprint, ...]
    left_out: tuple[LeftOut, ...] = ()


def make_fingerprint(
    dataset: Dataset,
    source: str,
    target: tuple[Labels, str],
    measured: Sequence[tuple[CaseFingerprint, Histogram]],
    left_out: Sequence[LeftOut] = (),
    further: Sequence[tuple[Histogram, ...]] = (),
    objects: tuple[TargetObject, ...] = (),
) -> Fingerprint:
    """Gather the measurements of all cases in one record.

    Args:
        dataset: The dataset.
        source: Path of the dataset's folder, as the record holds it.
        target: Label value or values of the target, and its name.
        measured: Fingerprint and target intensities of each usable case; at least one.
        left_out: Cases that are left out because they are bad.
        further: Target intensities of the same cases in the channels after the first; empty for scans of one channel.
        objects: Objects that form the target; empty for one target.
    """
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
        objects=objects,
        median_shape=(int(i), int(j), int(k)),
        median_spacing=(di, dj, dk),
        foreground=describe_intensities(join_histograms([target for _, target in measured])),
        further_channels=tuple(
            ChannelFingerprint(
                modality=name, foreground=describe_intensities(join_histograms(histograms))
            )
            for name, histograms in zip(
                dataset.further_channels, zip(*further, strict=True), strict=True
            )
        ),
        cases=cases,
        left_out=tuple(left_out),
    )
