"""What prediction leaves beside its masks: predictions.json and, where something failed, failures.json."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli import __version__
from promise_cli.console import warn
from promise_cli.errors import PlanError
from promise_cli.fingerprint import Fingerprint
from promise_cli.grid import LPS_FROM_RAS
from promise_cli.prompts import FOREGROUND, Click, locate_clicks
from promise_cli.records import load_record, save_record
from promise_cli.volume import Volume
from promise_cli.workspace import Workspace

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ClickRecord:
    """One click as it was understood."""

    given: tuple[float, float, float]
    """As the prompt file has it."""
    label: int
    voxel: tuple[int, int, int]
    """Index (i, j, k) in the scan's file."""
    ras_mm: tuple[float, float, float]
    lps_mm: tuple[float, float, float]
    """As 3D Slicer's files and ITK count."""
    intensity: float
    """Of the scan at this voxel; HU for CT."""
    in_mask: bool


@dataclass(frozen=True, kw_only=True)
class PredictedCase:
    """One finished case."""

    case_id: str
    scan: str
    mask: str
    """File beside predictions.json."""
    clicks: tuple[ClickRecord, ...]
    window_origin: tuple[int, int, int]
    """First voxel of the network's window on the plan's grid."""
    num_voxels: int
    volume_ml: float
    clicks_outside_window: int

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
    target_name: str
    labels: str | None
    """Folder of the dataset's labels, relative to the root where it lies below; None where it is not known."""
    checkpoints: tuple[str, ...]
    prompts: str
    device: str
    cases: tuple[PredictedCase, ...]
    without_click: tuple[str, ...]
    """Scans that the prompt file does not name."""


@dataclass(frozen=True, kw_only=True)
class Failures:
    """`failures.json`; only there when something failed."""

    failures: tuple[Failure, ...]


def describe_click(click: Click, scan: Volume, mask: NDArray[np.bool_]) -> ClickRecord:
    """What a click was taken for: voxel, millimetres, intensity, and whether the mask holds it.

    Args:
        click: On the scan's stored grid.
        scan: In any orientation.
        mask: (I, J, K) on `scan.grid`.
    """
    i, j, k = (int(index) for index in np.floor(np.array(click.point) + 0.5))
    x, y, z = (round(float(value), 4) for value in scan.stored_grid.world((i, j, k)))
    left, posterior, superior = (float(value) for value in LPS_FROM_RAS * (x, y, z))
    there = tuple(locate_clicks([click], scan.stored_grid, scan.grid, "")[0])
    return ClickRecord(
        given=click.point,
        label=click.label,
        voxel=(i, j, k),
        ras_mm=(x, y, z),
        lps_mm=(left, posterior, superior),
        intensity=round(float(scan.array[there]), 4),
        in_mask=bool(mask[there]),
    )


def labels_dir(workspace: Workspace, dataset: str) -> str | None:
    """The folder of a dataset's labels, relative to the root where it lies below; None where it is not known."""
    path = workspace.preprocessed / dataset / "fingerprint.json"
    if not path.exists():
        return None
    source = Path(load_record(Fingerprint, path).source) / "labelsTr"
    return str(source) if (workspace.root / source).is_dir() else None


def earlier_cases(
    folder: Path, checkpoints: Sequence[Path], attempted: Set[str]
) -> tuple[PredictedCase, ...]:
    """What a folder lists from an earlier call with the same networks, but for the cases attempted now."""
    path = folder / "predictions.json"
    if not path.exists():
        return ()
    try:
        there = load_record(Predictions, path)
        created = datetime.fromisoformat(there.created).timestamp()
    except (PlanError, ValueError) as error:
        warn(f"{error}; what it lists is forgotten")
        return ()
    kept = tuple(
        case
        for case in there.cases
        if case.case_id not in attempted and (folder / case.mask).exists()
    )
    same = there.checkpoints == tuple(str(path) for path in checkpoints)
    if kept and not (same and created > max(path.stat().st_mtime for path in checkpoints)):
        warn(
            f"{folder}: {len(kept)} masks of another network, such as {kept[0].mask}, stay there but are no"
            " longer listed; use -o to keep predictions apart"
        )
        return ()
    return kept


def forget_results(folder: Path, result: Predictions) -> None:
    """Before masks change: drop the scores of the old ones, and list only those that stay."""
    for name in ("metrics.json", "metrics.csv"):
        (folder / name).unlink(missing_ok=True)
    if (folder / "predictions.json").exists():
        save_record(result, folder / "predictions.json")
