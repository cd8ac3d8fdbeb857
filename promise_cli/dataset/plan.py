"""The plan: all numbers that preprocessing, training and prediction must share, decided once from the fingerprint.

Cases on disk are made with a plan, so a changed plan needs preprocessing again.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal

from promise_cli.dataset.channels import is_ct
from promise_cli.dataset.fingerprint import Fingerprint, Intensities
from promise_cli.dataset.folder import label_text
from promise_cli.dataset.objects import TargetObject, all_values, check_objects, list_objects
from promise_cli.disk.records import record_to_json
from promise_cli.geometry.grid import Spacing
from promise_cli.volume import Orientation

FORMAT_VERSION = 1
LEAST_PATCH, LARGEST_PATCH = 8, 512
CasesFormat = Literal["npy", "blosc2"]
"""How the arrays of cases are stored: plain `.npy` files, or compressed `.b2nd` files."""
LARGEST_FLOAT16, LARGEST_FLOAT32 = 65504.0, 3.4028234e38


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """How intensities become the network's input: clip them, subtract the mean, divide by the standard deviation."""

    scheme: Literal["dataset", "case"]
    """Where the numbers come from.

    `dataset`: the four numbers below, measured in the target of all cases. This suits CT, whose HU are comparable
    between scans. `case`: the 0.5 and 99.5 percentiles, mean and standard deviation of each scan. This suits MR, whose
    intensities are not comparable. The four numbers below are then only for information.
    """
    low: float
    """Value to which lower intensities are clipped; HU for CT."""
    high: float
    """Value to which higher intensities are clipped; HU for CT."""
    mean: float
    std: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(
                f"normalisation: low {self.low:g} must be less than high {self.high:g}"
            )
        if not self.std >= 1e-30:
            raise ValueError(f"normalisation: std must be positive, found {self.std:g}")
        numbers = (self.low, self.high, self.mean, self.std)
        if max(map(abs, numbers)) > LARGEST_FLOAT32:
            raise ValueError(
                f"normalisation: {max(numbers, key=abs):g} is too large for an intensity"
            )
        farthest = max(abs(self.low - self.mean), abs(self.high - self.mean)) / self.std
        if self.scheme == "dataset" and farthest > LARGEST_FLOAT16:
            raise ValueError(
                f"normalisation: std {self.std:g} turns intensities into {farthest:g}; give a larger std, or low and"
                " high closer to the mean"
            )


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One channel of the scans, and how its intensities become the network's input."""

    modality: str
    """Name of the channel, such as `CT` or `T2`; an empty string if dataset.json does not name it."""
    normalisation: Normalisation


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Content of `plans.json`."""

    format_version: int = FORMAT_VERSION
    dataset: str
    target_label: int
    """Label value of the target; all other values are background."""
    target_labels: tuple[int, ...] = ()
    """All label values of the target, rising, if it has several; `target_label` is the first. Empty otherwise."""
    target_name: str
    objects: tuple[TargetObject, ...] = ()
    """Objects that a click can ask for, by rising label value. Empty for a plan of one target. Otherwise the target
    above consists of all of them, and serves only to measure the numbers of the normalisation."""
    modality: str
    """Name of the first channel, or of the only one."""
    orientation: Orientation
    """Axis order of the arrays: `RAS`, or `as_stored` for the order of the file."""
    spacing: Spacing
    """Spacing of the arrays along each axis in mm; the paper uses 1 x 1 x 1."""
    patch_size: int
    """Edge in voxels of the cube that the network sees; the paper uses 128. A preset may set another one."""
    normalisation: Normalisation
    """Normalisation of the first channel, or of the only one."""
    further_channels: tuple[Channel, ...] = ()
    """Channels after the first, in the order of the network's inputs. Empty for scans of one channel."""
    cases: tuple[str, ...] = ()
    """Case ids of the cases that the normalisation was measured in; only for information."""
    cases_format: CasesFormat = field(default="npy", compare=False)
    """How the cases are stored. Voxels are the same in both formats, so plans that differ only in it are equal."""

    def __post_init__(self) -> None:
        if self.format_version != FORMAT_VERSION:
            raise ValueError(
                f"format_version {self.format_version}, but this version of promise_cli reads {FORMAT_VERSION}"
            )
        if not all(0.05 <= edge <= 50 for edge in self.spacing):
            raise ValueError(f"spacing must lie between 0.05 and 50 mm, found {self.spacing}")
        if not LEAST_PATCH <= self.patch_size <= LARGEST_PATCH or self.patch_size % 4:
            raise ValueError(
                f"patch_size must be a multiple of 4 from {LEAST_PATCH} to {LARGEST_PATCH}, found {self.patch_size}"
            )
        if self.target_label < 1:
            raise ValueError(f"target_label must be at least 1, found {self.target_label}")
        several = self.target_labels
        if several and (
            len(several) < 2
            or several != tuple(sorted(set(several)))
            or several[0] != self.target_label
        ):
            raise ValueError(
                f"target_labels must be several rising values that begin with target_label {self.target_label}, or"
                f" none, found {several}"
            )
        check_objects(self.objects)
        if self.objects and all_values(self.objects) != self.labels:
            raise ValueError(
                f"objects have the values {all_values(self.objects)}, but target_labels are {self.labels}"
            )

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All channels of the scans, in the order of the network's inputs."""
        first = Channel(modality=self.modality, normalisation=self.normalisation)
        return (first, *self.further_channels)

    @property
    def labels(self) -> tuple[int, ...]:
        """All label values of the target."""
        return self.target_labels or (self.target_label,)

    @property
    def label(self) -> int | str:
        """The target as results show it: its label value, or `1+2` if several values form it."""
        return label_text(self.labels)


def describe_target(plan: Plan) -> str:
    """Return what a plan segments, for messages: `target 2 (tumour)`, or the objects with their label values."""
    if plan.objects:
        return f"objects {list_objects(plan.objects)}"
    return f"target {plan.label} ({plan.target_name})"


def make_plan(fingerprint: Fingerprint) -> Plan:
    """Return a plan with the paper's choices.

    The spacing is 1 mm and the patch 128^3. Intensities are clipped at the 0.5 and 99.5 percentiles of the target, and
    normalised with its mean and standard deviation. Channels other than CT get the scheme `case`.
    """
    return Plan(
        dataset=fingerprint.dataset,
        target_label=fingerprint.target_label,
        target_labels=fingerprint.target_labels,
        target_name=fingerprint.target_name,
        objects=fingerprint.objects,
        modality=fingerprint.modality,
        orientation="RAS",
        spacing=(1.0, 1.0, 1.0),
        patch_size=128,
        normalisation=_normalisation(fingerprint.modality, fingerprint.foreground),
        further_channels=tuple(
            Channel(
                modality=channel.modality,
                normalisation=_normalisation(channel.modality, channel.foreground),
            )
            for channel in fingerprint.further_channels
        ),
        cases=tuple(case.case_id for case in fingerprint.cases),
    )


def _normalisation(modality: str, foreground: Intensities) -> Normalisation:
    """Return how one channel is normalised, from the intensities of the target in it."""
    low, high = foreground.percentile_00_5, foreground.percentile_99_5
    return Normalisation(
        scheme="dataset" if is_ct(modality) else "case",
        low=low,
        high=widened(low, high),
        mean=foreground.mean,
        std=foreground.std or 1.0,
    )


def widened(low: float, high: float) -> float:
    """Return `high`, or a number above `low` if both are equal because all intensities are the same."""
    return high if high > low else low + max(1.0, 1e-3 * abs(low))


def case_key(plan: Plan) -> str:
    """Return a hash of all that the voxels of cases on disk depend on.

    It covers the plan without its patch size, its list of cases, and their format.
    """
    content = record_to_json(
        dataclasses.replace(plan, cases=())
    )  # converting thousands of case ids takes time
    del content["patch_size"], content["cases"], content["cases_format"]
    for name in ("target_labels", "further_channels", "objects"):
        if not content[name]:  # cases made before this field existed stay valid
            del content[name]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
