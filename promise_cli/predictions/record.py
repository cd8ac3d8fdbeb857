"""Files that prediction writes next to its masks: predictions.json, and failures.json if a case failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli import __version__
from promise_cli.dataset.fingerprint import Fingerprint, hash_files
from promise_cli.dataset.objects import TargetObject
from promise_cli.disk.plan_names import plans_of
from promise_cli.disk.records import load_record
from promise_cli.disk.workspace import Workspace
from promise_cli.errors import PlanError
from promise_cli.geometry.grid import LPS_FROM_RAS
from promise_cli.prompts import FOREGROUND, Click, Space, locate_clicks, nearest_voxel
from promise_cli.volume import Volume

FORMAT_VERSION = 2
RECORD, FAILURES = "predictions.json", "failures.json"
PROBABILITIES = "probabilities"
"""Folder for the files of `--save-prob`, inside the folder of the masks."""
NO_CLICKS = "none: the network takes no clicks"
"""Value of `Predictions.prompts` for a network that takes no clicks."""


@dataclass(frozen=True, kw_only=True)
class ClickRecord:
    """Click of a case, as it was understood."""

    given: tuple[float, float, float]
    """Coordinates as they were given, for example in a click file."""
    space: Space
    """Coordinate system of `given`."""
    label: int
    """Sign of the click: 1 foreground, 0 background."""
    value: int
    """Value of the click's lesion in the mask."""
    voxel: tuple[int, int, int]
    """Index (i, j, k) in the scan's file."""
    ras_mm: tuple[float, float, float]
    """Centre of `voxel` in RAS millimetres, as NIfTI uses them."""
    lps_mm: tuple[float, float, float]
    """Centre of `voxel` in LPS millimetres, as ITK and 3D Slicer's files use them."""
    intensity: float
    """Intensity of the scan's first channel at this voxel; HU for CT."""
    in_mask: bool
    """Whether the mask has the lesion's value at this voxel."""


@dataclass(frozen=True, kw_only=True)
class LesionRecord:
    """Lesion of a case, and its size in the mask."""

    value: int
    name: str
    num_voxels: int
    """Number of voxels with this value; lesions that share a value share its voxels."""
    volume_ml: float


@dataclass(frozen=True, kw_only=True)
class SecondsRecord:
    """Seconds that each stage of a finished case took."""

    read: float
    resample: float
    network: float
    write: float


@dataclass(frozen=True, kw_only=True)
class PredictedCase:
    """Finished case, with its mask."""

    case_id: str
    scan: str
    """Path of the scan at the time of prediction."""
    mask: str
    """Name of the mask, next to predictions.json."""
    mask_bytes: int = 0
    """Size of the mask's file in bytes. If it has changed, the case is predicted again."""
    mask_sha256: str = ""
    """SHA-256 of the mask's file; empty in files of earlier versions."""
    probabilities: tuple[str, ...]
    """Names of probability files next to predictions.json, one for each lesion; empty unless they were asked for."""
    key: str
    """Hash of scan, clicks, networks and settings; a case with the same key is not predicted again."""
    clicks: tuple[ClickRecord, ...]
    """Clicks of the case; empty if the network segmented the whole scan."""
    lesions: tuple[LesionRecord, ...]
    windows: tuple[tuple[int, int, int], ...]
    """First voxel of each window on the plan's grid, in the order of prediction."""
    closed: bool
    """Whether the mask ends inside the windows, or no further windows were allowed."""
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
    """Case without a mask, and the reason."""

    case_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Contents of `predictions.json`."""

    format_version: int = FORMAT_VERSION
    promise_cli: str = __version__
    created: str
    dataset: str
    target_label: int
    target_labels: tuple[int, ...] = ()
    """All label values of a target that consists of several labels. Its mask has a single value nevertheless."""
    target_name: str
    objects: tuple[TargetObject, ...] = ()
    """Objects of a network that segments several. Their masks hold the objects' mask values. Empty for one target."""
    labels: str | None
    """Folder of the dataset's labels, relative to the root if it lies below it; None if it is unknown."""
    checkpoints: tuple[str, ...]
    prompts: str
    """Source of the clicks: a file or folder, `--point`, `--auto`, or `NO_CLICKS`."""
    device: str
    precision: str
    max_windows: int
    """Largest number of windows for one lesion; 1 is the paper's single window."""
    tta: bool
    values: tuple[int, ...]
    """Values that a mask may hold for the target; several if lesions have values of their own."""
    cases: tuple[PredictedCase, ...]
    without_click: tuple[str, ...]
    """Scans that the click file does not name."""
    begun: tuple[str, ...] = ()
    """Names of files that a call writes now, or that a call which was killed may have written."""
    unlisted: tuple[str, ...] = ()
    """Names of files of other networks or settings, which stay in the folder but no longer belong to `cases`."""


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Contents of `failures.json`. The file exists only if a case failed. It then names every case without a mask."""

    failures: tuple[Failure, ...]


def read_record(folder: Path) -> Predictions | None:
    """Read all of a folder's predictions.json. Return None if there is none, or it is damaged or of another version."""
    try:
        return load_record(Predictions, folder / RECORD)
    except PlanError:
        return None


def is_as_written(case: PredictedCase, folder: Path) -> bool:
    """Whether a case's mask exists in a folder and its file is still the one that promise-predict wrote.

    Records of early versions hold no hash, and the earliest no size either. A mask without a size counts as changed.
    """
    path = folder / case.mask
    try:
        same = path.stat().st_size == case.mask_bytes
        return same and case.mask_sha256 in ("", hash_files([path]))
    except (OSError, ValueError):
        return False


def now() -> str:
    """Return the current time in UTC, in ISO format, as records store it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def describe_windows(most: int) -> str:
    """Say in words how many windows a lesion may take."""
    return "one window" if most == 1 else f"up to {most} windows"


def describe_click(
    click: Click, scan: Volume, mask: NDArray[np.uint8], values: Sequence[int] = ()
) -> ClickRecord:
    """Describe how a click was understood: voxel, millimetres, intensity, and whether it lies in the mask.

    Args:
        click: Click inside the scan.
        scan: The scan, in any orientation.
        mask: Mask with the lesions' values, (I, J, K), on `scan.grid`.
        values: All values of the click's lesion in the mask; empty if it has only its own.
    """
    voxel = nearest_voxel(click.point, click.space, scan.stored_grid)
    assert voxel is not None
    x, y, z = (round(float(value), 4) + 0.0 for value in scan.stored_grid.world(voxel))
    left, posterior, superior = (
        float(value) + 0.0 for value in LPS_FROM_RAS * (x, y, z)
    )  # no -0.0
    there = tuple(locate_clicks([click], scan.stored_grid, scan.grid, "")[0])
    return ClickRecord(
        given=click.point,
        space=click.space,
        label=click.sign,
        value=click.lesion.value,
        voxel=voxel,
        ras_mm=(x, y, z),
        lps_mm=(left, posterior, superior),
        intensity=round(float(scan.channels[0][there]), 4),
        in_mask=int(mask[there]) in (values or (click.lesion.value,)),
    )


def labels_dir(workspace: Workspace, dataset: str) -> str | None:
    """Find the folder of a dataset's labels, relative to the root if it lies below it; None if it is unknown."""
    found = [path / "fingerprint.json" for path in plans_of(workspace.preprocessed, dataset)]
    path = next((path for path in found if path.exists()), None)
    if path is None:
        return None
    source = Path(load_record(Fingerprint, path).source) / "labelsTr"
    return str(source) if (workspace.root / source).is_dir() else None


@dataclass
class Seconds:
    """Seconds that each stage of a case has taken so far."""

    read: float = 0.0
    resample: float = 0.0
    network: float = 0.0
    write: float = 0.0
