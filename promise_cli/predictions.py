"""What prediction leaves beside its masks: predictions.json and, where something failed, failures.json."""

import dataclasses
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli import __version__
from promise_cli.console import warn
from promise_cli.errors import PlanError
from promise_cli.fingerprint import Fingerprint
from promise_cli.grid import LPS_FROM_RAS
from promise_cli.prompts import FOREGROUND, Click, Space, locate_clicks, nearest_voxel
from promise_cli.records import load_record, save_record
from promise_cli.volume import Volume
from promise_cli.work import claim
from promise_cli.workspace import Workspace

FORMAT_VERSION = 2
RECORD, FAILURES = "predictions.json", "failures.json"
STALE = ("metrics.json", "metrics.csv", "report.html")
"""What was made from masks and is wrong as soon as they change."""


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
    target_name: str
    labels: str | None
    """Folder of the dataset's labels, relative to the root where it lies below; None where it is not known."""
    checkpoints: tuple[str, ...]
    prompts: str
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


def earlier_cases(
    folder: Path, checkpoints: Sequence[Path], attempted: Set[str]
) -> tuple[PredictedCase, ...]:
    """What a folder lists from an earlier call with the same networks, as far as its masks are still there.

    Cases of other networks are forgotten, with a warning where they are not attempted now.
    """
    there = _load(folder)
    if there is None:
        return ()
    kept = tuple(case for case in there.cases if (folder / case.mask).exists())
    same = there.checkpoints == tuple(str(path) for path in checkpoints)
    created = datetime.fromisoformat(there.created).timestamp()
    if same and created > max(path.stat().st_mtime for path in checkpoints):
        return kept
    left = [case for case in kept if case.case_id not in attempted]
    if left:
        warn(
            f"{folder}: {len(left)} masks of another network, such as {left[0].mask}, stay there but are no"
            " longer listed; use -o to keep predictions apart"
        )
    return ()


def begin(folder: Path, result: Predictions) -> None:
    """Before masks change: drop what was made from the old ones, and list only those that stay."""
    if not folder.exists():
        return
    with claim(_lock(folder)):
        for name in STALE:
            (folder / name).unlink(missing_ok=True)
        if (folder / RECORD).exists():
            save_record(result, folder / RECORD)


def renew(folder: Path, listed: tuple[PredictedCase, ...]) -> None:
    """Where all was done before: this set is the last one again, and lists these cases."""
    with claim(_lock(folder)):
        there = _load(folder)
        if there is not None:
            save_record(dataclasses.replace(there, created=now(), cases=listed), folder / RECORD)


def add_case(folder: Path, result: Predictions, case: PredictedCase) -> None:
    """List a finished case, beside those that this call or another process listed before."""
    with claim(_lock(folder)):
        there = _load(folder)
        before = result.cases if there is None else there.cases
        others = tuple(other for other in before if other.case_id != case.case_id)
        values = {value for of in (there, result) if of is not None for value in of.values}
        save_record(
            dataclasses.replace(
                result,
                created=now(),
                cases=(*others, case),
                values=tuple(sorted(values | {lesion.value for lesion in case.lesions})),
            ),
            folder / RECORD,
        )


def save_failures(folder: Path, failures: Sequence[Failure], attempted: Set[str] | None) -> None:
    """Write failures.json, or take it away where nothing failed.

    Args:
        folder: Of the masks.
        failures: Of this call.
        attempted: All cases of this call, where others do the rest; their failures stay. None: there are no others.
    """
    path = folder / FAILURES
    with claim(_lock(folder)):
        others: tuple[Failure, ...] = ()
        if attempted is not None and path.exists():
            try:
                others = load_record(Failures, path).failures
            except PlanError as error:
                warn(f"{error}; what it lists is forgotten")
        kept = [failure for failure in others if failure.case_id not in (attempted or ())]
        if kept or failures:
            save_record(Failures(failures=(*kept, *failures)), path)
        else:
            path.unlink(missing_ok=True)


def _load(folder: Path) -> Predictions | None:
    """The record of a folder, or None where there is none or it is unusable."""
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        record = load_record(Predictions, path)
        datetime.fromisoformat(record.created)
    except (PlanError, ValueError) as error:
        warn(f"{error}; what it lists is forgotten")
        return None
    return record


def _lock(folder: Path) -> Path:
    """Beside the folder, which holds nothing but what a user should see."""
    place = folder.absolute()
    return place.with_name(f".{place.name}.lock")
