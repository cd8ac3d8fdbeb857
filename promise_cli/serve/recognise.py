"""Finds the scan of an uploaded array among the scans of the server, since viewers send voxels without an affine."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import PromiseError, listed
from promise_cli.geometry.grid import Grid, format_shape
from promise_cli.serve.array_axes import ArrayAxes, all_axes
from promise_cli.serve.open_scans import OpenScans
from promise_cli.serve.refusal import RefusalError
from promise_cli.volume import as_stored

MOST_DOUBLES = 20
"""Once a scan is found, the search for the same voxels in other scans is left out if more than this number remain."""
_SAMPLES = 4096
"""Number of voxels that are compared before all voxels are."""
_TOLERANCE = 1e-5
"""Largest difference of two intensities that count as equal, as a share of the scan's range."""


def recognise(array: NDArray[Any], scans: OpenScans) -> tuple[str, ArrayAxes] | None:
    """Find the scan whose voxels a client has sent, in any order and direction of its axes.

    Args:
        array: Uploaded voxels with three axes, of any type. They may be those of any channel of a scan.
        scans: Scans to compare with. Only those of the same shape are read. Their mean intensities are kept, so that a
            further upload reads fewer scans.

    Returns:
        Name of the scan and the axes of the array. None if no scan has these voxels.

    Raises:
        RefusalError: Several scans with different affines have these voxels.
    """
    first, second, third = array.shape
    found: list[tuple[str, ArrayAxes, Grid]] = []
    candidates = scans.names_of_shape((first, second, third))
    mean = float(array.mean(dtype=np.float64))
    for number, name in enumerate(candidates):
        if found and len(candidates) - number > MOST_DOUBLES:
            break
        if not scans.may_have_mean(name, mean):
            continue
        try:
            channels = _stored_channels(scans, name)
        except (PromiseError, OSError, MemoryError):
            continue  # a scan that cannot be read is not the one that the viewer shows
        axes = next((axes for stored in channels for axes in _fitting(array, stored)), None)
        if axes is not None:
            found.append((name, axes, scans.grid(name)))
    if not found:
        return None
    name, axes, grid = found[0]
    others = [other for other, _, theirs in found[1:] if not theirs.is_that_of(grid)]
    if others:
        raise RefusalError(
            422, f"the uploaded voxels are those of {name} and of {listed(others)}, whose affines differ; start"
            " promise-serve with the scan that you mean"
        )  # fmt: skip
    return name, axes


def unknown_scan(array: NDArray[Any]) -> RefusalError:
    """Return the refusal of an upload whose affine is not known."""
    return RefusalError(
        422, f"the uploaded scan of {format_shape(array.shape)} voxels is none of the scans of this server, and its"
        " voxel size is not known; start promise-serve with -i FOLDER that holds it, or with --spacing I J K"
    )  # fmt: skip


def _stored_channels(scans: OpenScans, name: str) -> list[NDArray[Any]]:
    """Return the voxels of each channel of a scan, in the order of its file."""
    volume = scans.open(name).volume
    return [as_stored(channel, volume) for channel in volume.channels]


def _fitting(array: NDArray[Any], stored: NDArray[Any]) -> Iterator[ArrayAxes]:
    """Yield each order and direction of axes in which the stored voxels equal those of the array."""
    rng = np.random.default_rng(0)
    places = tuple(rng.integers(0, n, _SAMPLES) for n in array.shape)
    low, high = float(stored.min()), float(stored.max())
    tolerance = _TOLERANCE * max(high - low, 1e-6)
    sample = array[places].astype(np.float64)
    i, j, k = stored.shape
    for axes in all_axes((array.shape[0], array.shape[1], array.shape[2]), (i, j, k)):
        turned = axes.array_of(stored)
        if _are_equal(sample, turned[places], tolerance) and all(
            _are_equal(mine, theirs, tolerance) for mine, theirs in zip(array, turned, strict=True)
        ):
            yield axes


def _are_equal(mine: NDArray[Any], theirs: NDArray[Any], tolerance: float) -> bool:
    difference = np.abs(mine.astype(np.float64) - theirs.astype(np.float64))
    return bool(np.all(difference <= tolerance))  # False for NaN
