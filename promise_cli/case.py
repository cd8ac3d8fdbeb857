"""One case as training reads it: image and target on the plan's grid, memory-mapped, one folder a case.

`preprocess_image` is also what prediction does to a scan, so that the two cannot drift apart.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset import CaseFiles
from promise_cli.errors import DatasetError, PlanError
from promise_cli.grid import Grid
from promise_cli.plan import Normalisation, Plan, case_key, widened
from promise_cli.records import load_record, save_record
from promise_cli.volume import Volume, read_label, read_volume

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """`case.json`: what the arrays beside it are."""

    format_version: int = FORMAT_VERSION
    case_id: str
    plan_key: str
    """`plan.case_key` of the plan that made the arrays."""
    source_key: str
    """Size and time of change of image and label when they were read."""
    shape: tuple[int, int, int]
    scan_shape: tuple[int, int, int]
    scan_affine: tuple[tuple[float, float, float, float], ...]
    num_foreground: int


@dataclass(frozen=True, eq=False)
class Case:
    """Arrays on the plan's grid, read from disk only where they are touched."""

    case_id: str
    image: NDArray[np.float16]
    """(I, J, K), normalised intensities."""
    target: NDArray[np.uint8]
    """(I, J, K), 1 where the target is."""
    foreground: NDArray[np.int64]
    """(N,), flat C-order indices of the target's voxels."""


def preprocess_image(volume: Volume, plan: Plan) -> tuple[NDArray[np.float32], Grid]:
    """Bring a scan to the plan's spacing and normalise it.

    Returns:
        (I, J, K) normalised intensities, and the grid they lie on.
    """
    from promise_cli.resample import resample, target_grid  # noqa: PLC0415  training needs no SimpleITK

    grid = target_grid(volume.grid, plan.spacing)
    numbers = case_normalisation(volume.array, plan.normalisation)
    image = resample(volume.array, grid.shape)
    image = np.clip(image, numbers.low, numbers.high)  # a copy: the scan itself stays as it is
    image -= np.float32(numbers.mean)
    image /= np.float32(numbers.std)
    return image, grid


def case_normalisation(array: NDArray[np.float32], planned: Normalisation) -> Normalisation:
    """The four numbers for one scan: the plan's, or the scan's own where the plan says so."""
    if planned.scheme == "dataset":
        return planned
    low, high = np.percentile(array, [0.5, 99.5]).tolist()
    clipped = np.clip(array, low, high)
    std = float(clipped.std(dtype=np.float64))
    return Normalisation(
        scheme="case",
        low=low,
        high=widened(low, high),
        mean=float(clipped.mean(dtype=np.float64)),
        std=std if std > 0 else 1.0,  # an image of one single value
    )


def preprocess_case(files: CaseFiles, plan: Plan, cases_dir: Path) -> None:
    """Write one case's folder, whole or not at all.

    Raises:
        DatasetError: Image or label is unreadable, or the target is empty.
    """
    from promise_cli.resample import resample_mask  # noqa: PLC0415

    source = source_key(files)
    volume = read_volume(files.image, plan.orientation)
    image, grid = preprocess_image(volume, plan)
    scan_grid = volume.grid
    mask = read_label(files.label, like=volume).array == plan.target_label
    del volume  # a whole scan in float32
    if mask.shape != scan_grid.shape:
        raise DatasetError(f"{files.label}: not on the grid of {files.image}; preprocess again")
    target = resample_mask(mask, grid.shape)
    foreground = np.flatnonzero(np.ascontiguousarray(target)).astype(np.int64)
    record = CaseRecord(
        case_id=files.case_id,
        plan_key=case_key(plan),
        source_key=source,
        shape=grid.shape,
        scan_shape=scan_grid.shape,
        scan_affine=tuple((a, b, c, d) for a, b, c, d in scan_grid.affine.tolist()),
        num_foreground=foreground.size,
    )
    if not foreground.size:
        raise DatasetError(f"{files.label}: the label is empty; run promise-preprocess again")
    temporary = cases_dir / f".tmp-{os.getpid()}-{files.case_id}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        np.save(temporary / "image.npy", np.ascontiguousarray(image, dtype=np.float16))
        np.save(temporary / "target.npy", np.ascontiguousarray(target, dtype=np.uint8))
        np.save(temporary / "foreground.npy", foreground)
        save_record(record, temporary / "case.json")
        final, old = cases_dir / files.case_id, cases_dir / f".old-{os.getpid()}-{files.case_id}"
        if final.exists():
            final.replace(old)
        temporary.replace(final)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_current(files: CaseFiles, plan: Plan, cases_dir: Path) -> bool:
    """Whether the case on disk is complete and was made from these files with this plan."""
    record = _sound_record(plan, cases_dir / files.case_id)
    return record is not None and record.source_key == source_key(files)


def made_with(plan: Plan, folder: Path) -> bool:
    """Whether a case's folder is complete, in today's format, and was made with this plan."""
    return _sound_record(plan, folder) is not None


def _sound_record(plan: Plan, folder: Path) -> CaseRecord | None:
    """What a case's folder says of itself, or None where it is damaged or of another format or plan."""
    try:
        record = load_record(CaseRecord, folder / "case.json")
        case = load_case(folder.parent, folder.name)
    except (PlanError, DatasetError):
        return None
    sound = (
        record.format_version == FORMAT_VERSION
        and record.plan_key == case_key(plan)
        and case.image.shape == case.target.shape == record.shape
        and case.foreground.shape == (record.num_foreground,)
    )
    return record if sound else None


def source_key(files: CaseFiles) -> str:
    """Size and time of change of image and label; changes when either file does."""
    stats = [path.stat() for path in (files.image, files.label)]
    return "-".join(f"{stat.st_size}.{stat.st_mtime_ns}" for stat in stats)


def load_case(cases_dir: Path, case_id: str) -> Case:
    """Open a case without reading its voxels.

    Raises:
        DatasetError: The case is missing or damaged.
    """
    folder = cases_dir / case_id
    try:
        return Case(
            case_id,
            np.load(folder / "image.npy", mmap_mode="r"),
            np.load(folder / "target.npy", mmap_mode="r"),
            np.load(folder / "foreground.npy", mmap_mode="r"),
        )
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{folder}: no usable case ({error}); run promise-preprocess again"
        ) from None
