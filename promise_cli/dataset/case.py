"""Write and read preprocessed cases: image and target on the plan's grid, one folder per case.

The arrays are memory-mapped, or compressed if the plan says so. The case of a plan with objects has one further file,
`objects.npy`.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.case_arrays import (
    OBJECTS,
    SUFFIXES,
    StoredArray,
    format_in,
    open_array,
    pieces,
    save_array,
    whole,
)
from promise_cli.dataset.case_record import FORMAT_VERSION, RECORD, CaseRecord
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
from promise_cli.errors import DatasetError, PackageError, PlanError
from promise_cli.geometry.grid import Grid
from promise_cli.geometry.resample import resample_mask
from promise_cli.volume import Volume, read_label, read_scan

_NOT_FINITE = np.uint16(0x7C00)
"""Bits of the exponent of a float16. All of them are set in NaN and infinity, and in no other number."""


@dataclass(frozen=True, eq=False)
class Case:
    """The arrays of a case on the plan's grid; the disk is read only where voxels are used."""

    case_id: str
    image: StoredArray
    """Normalised intensities as float16, (I, J, K), or (C, I, J, K) if the scan has several channels."""
    target: StoredArray
    """The target as a mask, (I, J, K): 1 inside, 0 outside. With objects: 0, or the mask value of an object; uint8."""
    foreground: StoredArray
    """Flat indices of the target's voxels in C order, (N,) int64; with objects, grouped by the rows of `objects`."""
    objects: NDArray[np.int64] | None = None
    """Mask value of each object and number of voxels with this value, (K, 2); None if the plan has one target."""

    @property
    def channels(self) -> StoredArray:
        """Normalised intensities of all channels, (C, I, J, K). Nothing is read yet."""
        channels: StoredArray = self.image if self.image.ndim == 4 else self.image[None]
        return channels


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
        checksums = save_array(folder, "image", image, plan)
        del image
        target = _target(files, plan, like, grid)
        foreground = np.flatnonzero(target).astype(np.int64)
        if plan.objects:
            foreground, counts = group_voxels(target, foreground, plan.objects)
            np.save(folder / OBJECTS, counts)
        if not foreground.size:
            raise DatasetError(f"{files.label}: the label is empty; run promise-preprocess again")
        checksums |= save_array(folder, "target", target.view(np.uint8), plan)
        checksums |= save_array(folder, "foreground", foreground, plan)
        record = CaseRecord(
            case_id=files.case_id,
            plan_key=case_key(plan),
            source_key=source.key,
            shape=grid.shape,
            channels=len(names),
            scan_shape=like.grid.shape,
            scan_affine=tuple((a, b, c, d) for a, b, c, d in like.grid.affine.tolist()),
            num_foreground=foreground.size,
            checksums=checksums,
        )
        save_record(record, folder / RECORD)


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
    """Whether the case on disk is complete, and was made with this plan from files with the same content as these.

    Its arrays must have the plan's format, too.

    Args:
        files: Image and label of the case.
        plan: The plan that the case must be made with.
        cases_dir: The folder that holds the case's folder.
        source: Hashes of the files; None to compute them here.
        voxels: Whether to read all voxels and check them, too.
    """
    folder = cases_dir / files.case_id
    record = _sound_record(plan, folder) if format_in(folder) == plan.cases_format else None
    if record is None or record.source_key != (source or hash_source(files)).key:
        return False
    try:
        if voxels:
            check_voxels(cases_dir, files.case_id)
    except DatasetError:
        return False
    return True


def made_with(plan: Plan, folder: Path) -> bool:
    """Whether a case's folder is complete, has the current version, and was made with this plan.

    The voxels are not read. Plain and compressed arrays are equally good, because they hold the same voxels.
    """
    return _sound_record(plan, folder) is not None


def check_voxels(cases_dir: Path, case_id: str) -> None:
    """Read all voxels of a case and check them.

    Raises:
        DatasetError: The case is missing or damaged, its image holds NaN or infinity, its target holds values other
            than 0 and 1 or those of its objects, or its list of the target's voxels is wrong.
    """
    case, where = load_case(cases_dir, case_id), f"{cases_dir}: case {case_id}"
    suffix = SUFFIXES[format_in(cases_dir / case_id) or "npy"]
    target, foreground = whole(case.target, where), whole(case.foreground, where)
    if any(_has_not_finite(piece) for piece in pieces(case.image)):
        reason = f"image{suffix} holds NaN or infinity"
    elif case.objects is not None:
        reason = fault_of_objects(target, foreground, case.objects, suffix)
    elif target.max() > 1:
        reason = f"target{suffix} holds values other than 0 and 1"
    elif not np.array_equal(np.flatnonzero(target), foreground):
        reason = f"foreground{suffix} does not list the voxels of target{suffix}"
    else:
        reason = ""
    if not reason:
        return
    raise DatasetError(f"{where} is damaged ({reason}); run promise-preprocess again")


def _has_not_finite(image: NDArray[np.float16]) -> bool:
    bits = image.view(np.uint16) & _NOT_FINITE  # three times as fast as np.isfinite
    return bool((bits == _NOT_FINITE).any())


def _sound_record(plan: Plan, folder: Path) -> CaseRecord | None:
    """Return the record of a case's folder; None if the case is missing, damaged, or of another format or plan."""
    try:
        record = load_record(CaseRecord, folder / RECORD)
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
        and all(0 <= a.min() <= a.max() < case.target.size for a in pieces(case.foreground))
        and is_table_of(case.objects, plan.objects, case.foreground.size)
    )
    return record if sound else None


def load_case(cases_dir: Path, case_id: str) -> Case:
    """Open a case without reading its voxels.

    Raises:
        DatasetError: The case is missing or damaged, or its arrays have another type or shape.
        PackageError: The arrays are compressed, and the package blosc2 is missing.
    """
    folder = cases_dir / case_id
    suffix = SUFFIXES[format_in(folder) or "npy"]
    try:
        case = Case(
            case_id,
            open_array(folder / f"image{suffix}", np.dtype(np.float16), 3, 4),
            open_array(folder / f"target{suffix}", np.dtype(np.uint8), 3),
            open_array(folder / f"foreground{suffix}", np.dtype(np.int64), 1),
            _open_objects(folder / OBJECTS),
        )
    except PackageError:
        raise
    except Exception as error:  # the header of a damaged array leads to errors of many kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(
            f"{folder}: no usable case ({reason}); run promise-preprocess again"
        ) from None
    if case.image.shape[-3:] != case.target.shape or not len(case.channels):
        raise DatasetError(
            f"{folder}: no usable case (image{suffix} and target{suffix} have different shapes); run"
            " promise-preprocess again"
        )
    return case


def _open_objects(path: Path) -> NDArray[np.int64] | None:
    """Read the table of a case's objects; None if there is no such file, as for one target."""
    if not path.exists():
        return None
    table = np.asarray(open_array(path, np.dtype(np.int64), 2))
    sound = 1 <= len(table) <= LARGEST_VALUE and table.shape[1] == 2
    if not sound or table.min() < 0 or table[:, 0].max() > LARGEST_VALUE:
        raise ValueError(f"{path.name} holds no mask values with numbers of voxels")
    return np.array(table)
