"""The voxels of several objects in one array: made from a label, grouped by object, and checked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.folder import is_target
from promise_cli.dataset.objects import TargetObject, by_size
from promise_cli.geometry.grid import Shape
from promise_cli.geometry.resample import resample_mask


def resample_objects(
    label: NDArray[Any], objects: Sequence[TargetObject], shape: Shape
) -> NDArray[np.uint8]:
    """Resample each object as a plan of one target would, and write all of them into one array.

    Args:
        label: Array of a label file, (I, J, K).
        objects: The objects.
        shape: Voxels of the plan's grid along each axis.

    Returns:
        The mask value of the smallest object that holds the voxel, 0 where there is none. The array has `shape`.
    """
    target = np.zeros(shape, dtype=np.uint8)
    for one in by_size(objects):
        inside = is_target(label, one.values)
        if inside.any():
            target[resample_mask(inside, shape)] = one.mask_value
    return target


def group_voxels(
    target: NDArray[Any], foreground: NDArray[np.int64], objects: Sequence[TargetObject]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group the voxels of all objects by mask value, in the order of the objects.

    Args:
        target: Mask values, (I, J, K).
        foreground: Flat indices of all voxels other than 0, rising, (N,).
        objects: The objects.

    Returns:
        The same indices, grouped and rising within each group, and the table of mask values and numbers of voxels
        (K, 2). An object that the case lacks has the number 0.
    """
    values = target.ravel()[foreground]
    groups = [foreground[values == one.mask_value] for one in objects]
    table = [(one.mask_value, len(group)) for one, group in zip(objects, groups, strict=True)]
    return np.concatenate(groups), np.array(table, dtype=np.int64)


def is_table_of(
    table: NDArray[np.int64] | None, objects: Sequence[TargetObject], num_foreground: int
) -> bool:
    """Whether a case's table of objects matches the objects of a plan and the number of voxels in the case's list.

    A plan of one target matches only a case without a table.
    """
    if table is None or not objects:
        return table is None and not objects
    values = [one.mask_value for one in objects]
    return bool(table[:, 0].tolist() == values and table[:, 1].sum() == num_foreground)


def fault_of_objects(
    target: NDArray[np.uint8],
    foreground: NDArray[np.int64],
    table: NDArray[np.int64],
    suffix: str = ".npy",
) -> str:
    """Return what is wrong with the voxels of a case's objects; an empty text if they match their table.

    Args:
        target: Mask values, (I, J, K).
        foreground: Flat indices of the voxels, grouped by mask value.
        table: Mask values and numbers of voxels, (K, 2).
        suffix: Suffix of the arrays, for the message.
    """
    counts = np.zeros(256, dtype=np.int64)
    for plane in target:
        counts += np.bincount(plane.ravel(), minlength=256)
    others = counts.copy()
    others[table[:, 0]] = 0
    if others[1:].any():
        return f"target{suffix} holds values that are not those of its objects"
    if not np.array_equal(counts[table[:, 0]], table[:, 1]):
        return f"objects.npy does not hold the numbers of voxels of target{suffix}"
    listed = np.concatenate([np.flatnonzero(target == value) for value in table[:, 0]])
    if not np.array_equal(listed, foreground):
        return f"foreground{suffix} does not list the voxels of target{suffix}"
    return ""
