"""Write and read preprocessed cases: image and target on the plan's grid, memory-mapped, one folder per case.

The case of a plan with objects has one further file, `objects.npy`.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.fingerprint import Source, hash_source
from promise_cli.dataset.folder import CaseFiles, is_target
from promise_cli.dataset.object_voxels import (
    fault_of_objects,
    group_voxels,
    is_table_of,
    resample_objects,
)
from promise_cli.dataset.objects import LARGEST_VALUE
from promise_cli.dataset.plan import Plan, case_key
from promise_cli.dataset.prepare import preprocess_image
from promise_cli.disk.atomic import whole_folder
from promise_cli.disk.records import load_record, save_record
from promise_cli.errors import DatasetError, PlanError
from promise_cli.geometry.grid import Grid
from promise_cli.geometry.resample import resample_mask
from promise_cli.volume import Volume, read_label, read_scan

FORMAT_VERSION = 1
_NOT_FINITE = np.uint16(0x7C00)
"""Bits of the exponent of a float16. All of them are set in NaN and infinity, and in no other number."""


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """Content of `case.json`, which describes the arrays next to it."""

    format_version: int = FORMAT_VERSION
    case_id: str
    plan_key: str
    """`case_key` of the plan that the arrays were made with."""
    source_key: str
    """SHA-256 sums of image and label when they were read."""
    shape: tuple[int, int, int]
    """Voxels of the arrays along each spatial axis, (I, J, K)."""
    channels: int = 1
    """Number of channels. If there are several, they are the first axis of `image.npy`."""
    scan_shape: tuple[int, int, int]
    """Voxels of the scan along each axis, in the plan's orientation."""
    scan_affine: tuple[tuple[float, float, float, float], ...]
    """Rows of the scan's affine (4, 4) in the plan's orientation."""
    num_foreground: int
    """Number of voxels of the target on the plan's grid."""


@dataclass(frozen=True, eq=False)
class Case:
    """The arrays of a case on the plan's grid; the disk is read only where voxels are used."""

    case_id: str
    image: NDArray[np.float16]
    """Normalised intensities, (I, J, K), or (C, I, J, K) if the scan has several channels."""
    target: NDArray[np.uint8]
    """The target as a mask, (I, J, K): 1 inside, 0 outside. With objects: 0, or the mask value of an object."""
    foreground: NDArray[np.int64]
    """Flat indices of the target's voxels in C order, (N,). With objects they are grouped by the rows of `objects`."""
    objects: NDArray[np.int64] | None = None
    """Mask value of each object and number of voxels with this value, (K, 2); None if the plan has one target."""

    @property
    def channels(self) -> NDArray[np.float16]:
        """Normalised intensities of all channels, (C, I, J, K)."""
        return self.image if self.image.ndim == 4 else self.image[None]


def preprocess_case(
    files: CaseFiles, plan: Plan, cases_dir: Path, source: Source | None = None
) -> None:
    """Write the folder of one case, whole or not at all.

    The scan is freed before the label is read, so that at most three arrays of the scan's size are in memory at once.

    Args:
        files: Image and label of the case.
        plan: The plan that the case is made with.
        cases_dir: The folder that will hold the case's folder.
        source: Hashes of the files; None to compute them here.

    Raises:
        DatasetError: Image or label is unreadable, they are not on the same grid, or the target is empty.
    """
    source = source or hash_source(files)
    with whole_folder(cases_dir / files.case_id) as folder:
        names = [channel.modality for channel in plan.channels]
        volume = read_scan(files.images, names, plan.orientation, keep_integers=True)
        like = dataclasses.replace(volume, array=np.empty(0))
        image, grid = preprocess_image(volume, plan, np.float16, str(files.image))
        del volume
        np.save(folder / "image.npy", np.ascontiguousarray(image))
        del image
        target = _target(files, plan, like, grid)
        foreground = np.flatnonzero(target).astype(np.int64)
        if plan.objects:
            foreground, counts = group_voxels(target, foreground, plan.objects)
            np.save(folder / "objects.npy", counts)
        if not foreground.size:
            raise DatasetError(f"{files.label}: the label is empty; run promise-preprocess again")
        np.save(folder / "target.npy", target.view(np.uint8))
        np.save(folder / "foreground.npy", foreground)
        record = CaseRecord(
            case_id=files.case_id,
            plan_key=case_key(plan),
            source_key=source.key,
            shape=grid.shape,
            channels=len(names),
            scan_shape=like.grid.shape,
            scan_affine=tuple((a, b, c, d) for a, b, c, d in like.grid.affine.tolist()),
            num_foreground=foreground.size,
        )
        save_record(record, folder / "case.json")


def _target(
    files: CaseFiles, plan: Plan, like: Volume, grid: Grid
) -> NDArray[np.bool_] | NDArray[np.uint8]:
    """Read the label and return the target (I, J, K) on the plan's grid: a mask, or the objects' mask values."""
    label = read_label(files.label, like=like)
    if label.grid.shape != like.grid.shape:
        raise DatasetError(f"{files.label}: not on the grid of {files.image}; preprocess again")
    if plan.objects:
        return resample_objects(label.array, plan.objects, grid.shape)
    return np.ascontiguousarray(resample_mask(is_target(label.array, plan.labels), grid.shape))


def is_current(
    files: CaseFiles,
    plan: Plan,
    cases_dir: Path,
    source: Source | None = None,
    *,
    voxels: bool = True,
) -> bool:
    """Whether the case on disk is complete and was made with this plan, from files with the same content as these.

    Args:
        files: Image and label of the case.
        plan: The plan that the case must be made with.
        cases_dir: The folder that holds the case's folder.
        source: Hashes of the files; None to compute them here.
        voxels: Whether to read all voxels and check them, too.
    """
    record = _sound_record(plan, cases_dir / files.case_id)
    if record is None or record.source_key != (source or hash_source(files)).key:
        return False
    try:
        if voxels:
            check_voxels(cases_dir, files.case_id)
    except DatasetError:
        return False
    return True


def made_with(plan: Plan, folder: Path) -> bool:
    """Whether a case's folder is complete, has the current format, and was made with this plan.

    The voxels are not read.
    """
    return _sound_record(plan, folder) is not None


def check_voxels(cases_dir: Path, case_id: str) -> None:
    """Read all voxels of a case and check them.

    Raises:
        DatasetError: The case is missing or damaged, its image holds NaN or infinity, its target holds values other
            than 0 and 1 or those of its objects, or its list of the target's voxels is wrong.
    """
    case = load_case(cases_dir, case_id)
    bits = case.image.view(np.uint16) & _NOT_FINITE  # three times as fast as np.isfinite
    if (bits == _NOT_FINITE).any():
        reason = "image.npy holds NaN or infinity"
    elif case.objects is not None:
        reason = fault_of_objects(case.target, case.foreground, case.objects)
    elif case.target.max() > 1:
        reason = "target.npy holds values other than 0 and 1"
    elif not np.array_equal(np.flatnonzero(case.target), case.foreground):
        reason = "foreground.npy does not list the voxels of target.npy"
    else:
        reason = ""
    if not reason:
        return
    raise DatasetError(
        f"{cases_dir}: case {case_id} is damaged ({reason}); run promise-preprocess again"
    )


def _sound_record(plan: Plan, folder: Path) -> CaseRecord | None:
    """Return the record of a case's folder; None if the case is missing, damaged, or of another format or plan."""
    try:
        record = load_record(CaseRecord, folder / "case.json")
        case = load_case(folder.parent, folder.name)
    except (PlanError, DatasetError):
        return None
    sound = (
        record.format_version == FORMAT_VERSION
        and record.plan_key == case_key(plan)
        and case.channels.shape == (len(plan.channels), *record.shape)
        and case.target.shape == record.shape
        and record.channels == len(plan.channels)
        and case.foreground.shape == (record.num_foreground,)
        and case.foreground.size > 0
        and 0 <= case.foreground.min() <= case.foreground.max() < case.target.size
        and is_table_of(case.objects, plan.objects, case.foreground.size)
    )
    return record if sound else None


def load_case(cases_dir: Path, case_id: str) -> Case:
    """Open a case without reading its voxels.

    Raises:
        DatasetError: The case is missing or damaged, or its arrays have another type or shape.
    """
    folder = cases_dir / case_id
    try:
        case = Case(
            case_id,
            _open_array(folder / "image.npy", np.dtype(np.float16), 3, 4),
            _open_array(folder / "target.npy", np.dtype(np.uint8), 3),
            _open_array(folder / "foreground.npy", np.dtype(np.int64), 1),
            _open_objects(folder / "objects.npy"),
        )
    except Exception as error:  # the header of a damaged array leads to errors of many kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(
            f"{folder}: no usable case ({reason}); run promise-preprocess again"
        ) from None
    if case.image.shape[-3:] != case.target.shape or not len(case.channels):
        raise DatasetError(
            f"{folder}: no usable case (image.npy and target.npy have different shapes); run promise-preprocess again"
        )
    return case


def _open_objects(path: Path) -> NDArray[np.int64] | None:
    """Read the table of a case's objects; None if there is no such file, as for one target."""
    if not path.exists():
        return None
    table = _open_array(path, np.dtype(np.int64), 2)
    sound = 1 <= len(table) <= LARGEST_VALUE and table.shape[1] == 2
    if not sound or table.min() < 0 or table[:, 0].max() > LARGEST_VALUE:
        raise ValueError(f"{path.name} holds no mask values with numbers of voxels")
    return np.array(table)


def _open_array(path: Path, dtype: np.dtype[Any], *axes: int) -> NDArray[Any]:
    """Map an array into memory.

    Raises:
        ValueError: The file is not an array of this type and one of these numbers of axes, or it is truncated.
        OSError: The file cannot be opened.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is not a file")
    array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    if array.dtype != dtype or array.ndim not in axes:
        raise ValueError(
            f"{path.name} holds {array.dtype} along {array.ndim} axes instead of {dtype} along {axes[0]}"
        )
    return array
