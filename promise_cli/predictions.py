"""What prediction finds, and what it leaves: predictions.json and, where something failed, failures.json."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli import __version__
from promise_cli.fingerprint import Fingerprint
from promise_cli.grid import LPS_FROM_RAS, Shape
from promise_cli.patches import Patch
from promise_cli.prompts import FOREGROUND, Click, Space, locate_clicks, nearest_voxel
from promise_cli.records import load_record
from promise_cli.volume import Volume
from promise_cli.workspace import Workspace

FORMAT_VERSION = 2
RECORD, FAILURES = "predictions.json", "failures.json"
NO_CLICKS = "none: the network takes no clicks"
"""In the place of a prompt file."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What was found in one scan for one lesion."""

    probabilities: NDArray[np.float32]
    """Of the foreground, on the part of the scan's grid that the windows saw."""
    place: tuple[slice, slice, slice]
    """Where that part lies in the scan; outside, the probability is 0."""
    scan_shape: Shape
    windows: tuple[Patch, ...]
    """On the plan's grid, in the order in which they were looked at."""
    clicks_outside_window: int = 0
    """Clicks that no window saw and that were not used."""
    closed: bool = True
    """Whether the mask ends inside the windows; False where their number was used up before."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(I, J, K) on the scan's grid in the plan's orientation."""
        mask = np.zeros(self.scan_shape, dtype=bool)
        mask[self.place] = self.probabilities > 0.5
        return mask

    @property
    def window(self) -> Patch:
        """The first one."""
        return self.windows[0]


@dataclass(frozen=True, kw_only=True)
class ClickRecord:
    """One click as it was understood."""

    given: tuple[float, float, float]
    """As the prompt file has it."""
    space: Space
    """In which it was given."""
    label: int
    value: int
    """Of its lesion in the mask."""
    voxel: tuple[int, int, int]
    """Index (i, j, k) in the scan's file."""
    ras_mm: tuple[float, float, float]
    lps_mm: tuple[float, float, float]
    """As 3D Slicer's files and ITK count."""
    intensity: float
    """Of the scan at this voxel; HU for CT."""
    in_mask: bool


@dataclass(frozen=True, kw_only=True)
class LesionRecord:
    """One lesion in a mask."""

    value: int
    name: str
    num_voxels: int
    """Of this value; lesions that share a value share its voxels."""
    volume_ml: float


@dataclass(frozen=True, kw_only=True)
class SecondsRecord:
    """Where the time of a case went."""

    read: float
    resample: float
    network: float
    write: float


@dataclass(frozen=True, kw_only=True)
class PredictedCase:
    """One finished case."""

    case_id: str
    scan: str
    mask: str
    """File beside predictions.json."""
    mask_bytes: int = 0
    """Its size; a mask that was cut or emptied since is made again."""
    probabilities: tuple[str, ...]
    """Files beside predictions.json, one a lesion; none unless asked for."""
    key: str
    """Of scan, clicks, networks and settings; the same case with the same key need not be done again."""
    clicks: tuple[ClickRecord, ...]
    """None where the whole scan was looked at."""
    lesions: tuple[LesionRecord, ...]
    windows: tuple[tuple[int, int, int], ...]
    """First voxel of each window of the network on the plan's grid, in order."""
    closed: bool
    """Whether the mask ends inside the windows, or was not to be followed further."""
    num_voxels: int
    volume_ml: float
    clicks_outside_window: int
    seconds: SecondsRecord

    @property
    def holds_its_clicks(self) -> bool:
        """Whether all its foreground clicks lie in the mask."""
        return all(click.in_mask for click in self.clicks if click.label == FOREGROUND)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One case without a mask, and why."""

    case_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """`predictions.json`."""

    format_version: int = FORMAT_VERSION
    promise_cli: str = __version__
    created: str
    dataset: str
    target_label: int
    target_labels: tuple[int, ...] = ()
    """Where several labels of the dataset are one target: all of them; its mask is still one value."""
    target_name: str
    labels: str | None
    """Folder of the dataset's labels, relative to the root where it lies below; None where it is not known."""
    checkpoints: tuple[str, ...]
    prompts: str
    """Where the clicks come from: a file or folder, `--point`, `--auto`, or `NO_CLICKS`."""
    device: str
    precision: str
    max_windows: int
    """For one lesion; 1 is the paper's single window."""
    tta: bool
    values: tuple[int, ...]
    """That a mask may hold for the target; several where lesions are told apart."""
    cases: tuple[PredictedCase, ...]
    without_click: tuple[str, ...]
    """Scans that the prompt file does not name."""


@dataclass(frozen=True, kw_only=True)
class Failures:
    """`failures.json`; only there when something failed, and then it names every case without a mask."""

    failures: tuple[Failure, ...]


def now() -> str:
    """The time as records have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def describe_windows(most: int) -> str:
    """How far a lesion is followed, in words."""
    return "one window" if most == 1 else f"up to {most} windows"


def describe_click(click: Click, scan: Volume, mask: NDArray[np.uint8]) -> ClickRecord:
    """What a click was taken for: voxel, millimetres, intensity, and whether the mask holds it.

    Args:
        click: Inside the scan.
        scan: In any orientation.
        mask: (I, J, K) on `scan.grid`, with the lesions' values.
    """
    voxel = nearest_voxel(click.point, click.space, scan.stored_grid)
    assert voxel is not None
    x, y, z = (round(float(value), 4) for value in scan.stored_grid.world(voxel))
    left, posterior, superior = (float(value) for value in LPS_FROM_RAS * (x, y, z))
    there = tuple(locate_clicks([click], scan.stored_grid, scan.grid, "")[0])
    return ClickRecord(
        given=click.point,
        space=click.space,
        label=click.label,
        value=click.lesion.value,
        voxel=voxel,
        ras_mm=(x, y, z),
        lps_mm=(left, posterior, superior),
        intensity=round(float(scan.array[there]), 4),
        in_mask=bool(mask[there] == click.lesion.value),
    )


def labels_dir(workspace: Workspace, dataset: str) -> str | None:
    """The folder of a dataset's labels, relative to the root where it lies below; None where it is not known."""
    path = workspace.preprocessed / dataset / "fingerprint.json"
    if not path.exists():
        return None
    source = Path(load_record(Fingerprint, path).source) / "labelsTr"
    return str(source) if (workspace.root / source).is_dir() else None
