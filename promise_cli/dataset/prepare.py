"""Bring a scan to the plan's grid and normalise it.

Preprocessing and prediction use the same function, so that training and prediction cannot differ.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from promise_cli.console import counted
from promise_cli.dataset.fingerprint import Histogram
from promise_cli.dataset.plan import Normalisation, Plan, widened
from promise_cli.errors import DatasetError, format_bytes
from promise_cli.geometry.grid import Grid, format_shape, format_spacing
from promise_cli.geometry.resample import resample, target_grid
from promise_cli.jobs import free_memory
from promise_cli.volume import Volume

MOST_VOXELS = 1 << 33
"""Largest number of voxels of a scan on the plan's grid: 2048^3, sixty times as many as in a large scan at 1 mm."""


def preprocess_image(
    volume: Volume, plan: Plan, dtype: DTypeLike = np.float32, where: str = "scan"
) -> tuple[NDArray[Any], Grid]:
    """Resample a scan to the plan's spacing and normalise it.

    Args:
        volume: The scan, read with the plan's orientation. Whole numbers may keep the type that the file stores.
        plan: The plan with the spacing and the normalisation.
        dtype: Type of the result.
        where: Name of the scan in messages.

    Returns:
        Normalised intensities, (I, J, K), or (C, I, J, K) if the plan has several channels; and the grid they lie on.

    Raises:
        DatasetError: The scan has another number of channels than the plan, or so many voxels at the plan's spacing
            that its own spacing must be wrong.
        MemoryError: The scan does not fit into the free memory.
    """
    grid = target_grid(volume.grid, plan.spacing)
    channels = plan.channels
    if len(volume.channels) != len(channels):
        raise DatasetError(
            f"{where}: a scan of {counted(len(volume.channels), 'channel')}, but the plan has {len(channels)}; give"
            " the channels that the network was trained with"
        )
    _check_size(volume.grid, grid, len(channels) * np.dtype(dtype).itemsize, where)
    if len(channels) == 1:
        return _prepare(volume.channels[0], plan.normalisation, grid, dtype), grid
    image = np.empty((len(channels), *grid.shape), dtype)
    for number, channel in enumerate(channels):
        image[number] = _prepare(volume.channels[number], channel.normalisation, grid, dtype)
    return image, grid


def _prepare(
    array: NDArray[Any], planned: Normalisation, grid: Grid, dtype: DTypeLike
) -> NDArray[Any]:
    """Resample and normalise one channel, (I, J, K)."""
    numbers = case_normalisation(array, planned)
    low, high = np.float32(numbers.low), np.float32(numbers.high)
    mean, std = np.float32(numbers.mean), np.float32(numbers.std)

    def normalise(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        np.clip(plane, low, high, out=plane)
        plane -= mean
        plane /= std
        return plane

    return resample(array, grid.shape, normalise, dtype)


def _check_size(scan: Grid, grid: Grid, item: int, where: str) -> None:
    """Refuse a scan that is too large on the plan's grid, before memory is taken for it."""
    voxels = math.prod(grid.shape)
    size = (
        f"{where}: its {format_shape(scan.shape)} voxels of {format_spacing(scan.spacing)} become"
        f" {format_shape(grid.shape)} voxels of {format_spacing(grid.spacing)}"
    )
    if voxels > MOST_VOXELS:
        raise DatasetError(f"{size}, which no scan has; correct the voxel size in its header")
    needed, free = voxels * item, free_memory()
    if needed > free:
        raise MemoryError(
            f"{size}, which need {format_bytes(needed)} of memory and {format_bytes(free)} are free; correct its header"
            " if the voxel size is wrong, or use a machine with more memory"
        )


def case_normalisation(array: NDArray[Any], planned: Normalisation) -> Normalisation:
    """Return the normalisation of a scan's channel: the plan's, or its own if the plan's scheme is `case`."""
    if planned.scheme == "dataset":
        return planned
    if array.dtype.kind in "iu":
        histogram = Histogram.of(array)
        low, high = histogram.percentiles((0.5, 99.5))
        mean, std = histogram.clipped(low, high)
    else:
        low, high = np.percentile(array, [0.5, 99.5]).tolist()
        clipped = np.clip(array, low, high)
        mean, std = float(clipped.mean(dtype=np.float64)), float(clipped.std(dtype=np.float64))
    # The deviation is 0 if all voxels have the same value.
    return Normalisation(
        scheme="case", low=low, high=widened(low, high), mean=mean, std=std if std > 0 else 1.0
    )
