"""Compare the disk space that the cases will take with the space that is free, before anything is written."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from promise_cli.console import counted, say
from promise_cli.dataset.case import is_current
from promise_cli.dataset.fingerprint import Measured
from promise_cli.dataset.plan import CasesFormat, Plan
from promise_cli.disk.reasons import room_at
from promise_cli.errors import DatasetError, format_bytes

BYTES_PER_INTENSITY = 2
"""Bytes of a voxel on the plan's grid in each channel of the image, in plain arrays."""
BYTES_PER_TARGET = 1
"""Further bytes of a voxel on the plan's grid, for the target or for the objects."""
SHARE: dict[CasesFormat, float] = {"npy": 1, "blosc2": 0.5}
"""Share of these bytes that are left.

Compressed arrays took 0.28 in 38 scans of sarcomas and 0.48 in 200 crops of brain MRI (docs/benchmarks.md, "Compressed
cases"). A number above both is used, so that a disk is rarely full half-way.
"""
BYTES_PER_FOREGROUND: dict[CasesFormat, float] = {"npy": 8, "blosc2": 1}
"""Further bytes of a voxel of the target, for its index. Compressed ones took 0.18 and 0.94."""


def check_room(
    cases: Sequence[Measured], plan: Plan, folder: Path, *, overwrite: bool = False
) -> None:
    """Print how much disk space the cases need that are still to be written.

    Args:
        cases: Verified cases that the command has to write.
        plan: The plan.
        folder: Folder of the preprocessed dataset. It may be missing.
        overwrite: Whether all cases are written anew. Each takes the place of its earlier files.

    Raises:
        DatasetError: The cases need more disk space than is free.
    """
    there = folder / "cases"
    wanted = [
        one
        for one in cases
        if overwrite or not is_current(one.files, plan, there, one.source, voxels=False)
    ]
    if not wanted:
        return
    sizes = [_bytes_of(one, plan) for one in wanted]
    needed = sum(sizes)
    replaced = sum(_size(there / one.files.case_id) for one in wanted)
    existing = next(
        place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir()
    )
    free = shutil.disk_usage(existing).free
    what = f"{counted(len(wanted), 'case')} {'needs' if len(wanted) == 1 else 'need'} about {format_bytes(needed)}"
    # A new case is complete before the earlier one is removed.
    if needed > free + replaced or max(sizes) > free:
        raise DatasetError(
            f"{folder}: {what}, but only {room_at(folder)}; make room, or move the workspace with --root FOLDER"
        )
    say(f"disk: {what}; {room_at(folder)}")


def _bytes_of(one: Measured, plan: Plan) -> int:
    """Return the bytes that the files of a case take on the plan's grid."""
    case = one.measurement.case
    if case is None:
        return 0
    voxel = math.prod(plan.spacing)
    voxels = math.prod(case.shape) * math.prod(case.spacing) / voxel
    each = SHARE[plan.cases_format] * (BYTES_PER_INTENSITY * len(plan.channels) + BYTES_PER_TARGET)
    index = BYTES_PER_FOREGROUND[plan.cases_format]
    return round(each * voxels + index * case.target_ml * 1000 / voxel)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
