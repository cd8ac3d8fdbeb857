"""Makes what the page needs to show a scan: its header, and its voxels as a packed stream."""

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.grid import Grid
from promise_cli.serve.array_axes import STORED, ArrayAxes, ras_array_axes
from promise_cli.serve.open_scans import OpenScan
from promise_cli.serve.refusal import RefusalError
from promise_cli.volume import as_stored

ORDERS = ("ras", "stored")
TYPES = ("auto", "int16", "float32")
PERCENTILES = (0.5, 1, 5, 25, 50, 75, 95, 99, 99.5)
_SAMPLE = 1_000_000
"""Largest number of voxels from which percentiles are measured."""


def axes_of(order: str, grid: Grid) -> ArrayAxes:
    """Return the axes that a client asks for by `ras` or `stored`.

    Raises:
        RefusalError: The client asks for something else.
    """
    if order not in ORDERS:
        raise RefusalError(422, f"order: use one of {', '.join(ORDERS)}")
    return ras_array_axes(grid) if order == "ras" else STORED


def affine_in(axes: ArrayAxes, grid: Grid) -> NDArray[np.float64]:
    """Return the affine (4, 4) from an index in these axes to RAS millimetres."""
    origin, *corners = (
        grid.world(axes.stored_index(index, grid.shape))
        for index in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    )
    affine = np.eye(4)
    affine[:3, :3] = np.stack([corner - origin for corner in corners], axis=1)
    affine[:3, 3] = origin
    return affine


def describe_scan(scan: OpenScan, order: str, channel: int) -> dict[str, Any]:
    """Describe a scan in the axes that a client asks for. `page_api` lists the fields.

    Args:
        scan: The scan.
        order: `ras` or `stored`.
        channel: Number of the channel whose intensities are described, counted from 1.
    """
    grid = scan.grid
    axes = axes_of(order, grid)
    shape = axes.shape_of(grid.shape)
    affine = affine_in(axes, grid)
    array = scan.channel(channel)
    step = max(1, round((array.size / _SAMPLE) ** (1 / 3)))
    sample = array[::step, ::step, ::step]
    return {
        "name": scan.name,
        "order": order,
        "shape": list(shape),
        "spacing": [round(float(edge), 6) for edge in np.sqrt((affine[:3, :3] ** 2).sum(axis=0))],
        "affine": affine.tolist(),
        "orientation": _orientation(affine),
        "stored": {"shape": list(grid.shape), "affine": grid.affine.tolist()},
        "kind": scan.channel_names[channel - 1],
        "channels": scan.channel_names,
        "range": [float(array.min()), float(array.max())],
        "percentiles": {
            f"{share:g}": float(value)
            for share, value in zip(PERCENTILES, np.percentile(sample, PERCENTILES), strict=True)
        },
        "type": type_of(array, "auto").name,
        "voxel_ml": grid.voxel_ml,
        "notes": list(scan.questions),
    }


def _orientation(affine: NDArray[np.float64]) -> str:
    """Name the direction to which each axis points most, such as `RAS`. An oblique scan has the same names."""
    letters = ("LR", "PA", "IS")
    free = {0, 1, 2}
    found = ["?", "?", "?"]
    unit = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    for axis in np.argsort(-np.abs(unit).max(axis=0)):
        world = max(free, key=lambda row: abs(unit[row, axis]))
        free.discard(world)
        found[axis] = letters[world][int(unit[world, axis] > 0)]
    return "".join(found)


def type_of(array: NDArray[Any], wanted: str) -> np.dtype[Any]:
    """Return the type in which voxels are sent.

    With `auto` it is int16 if the file stores integers and int16 can hold all of them, and float32 otherwise.

    Raises:
        RefusalError: `wanted` is unknown, or it is int16 and int16 cannot hold the intensities exactly.
    """
    if wanted not in TYPES:
        raise RefusalError(422, f"type: use one of {', '.join(TYPES)}")
    fits = array.dtype.kind in "iu" and int(array.min()) >= -32768 and int(array.max()) <= 32767
    if wanted == "int16" and not fits:
        raise RefusalError(422, "type: int16 cannot hold the intensities of this scan; use float32")
    return np.dtype("<f4" if wanted == "float32" or not fits else "<i2")


def packed_voxels(
    scan: OpenScan, axes: ArrayAxes, dtype: np.dtype[Any], channel: int
) -> Iterator[bytes]:
    """Yield the voxels of a channel as one gzip stream, with the first axis running fastest."""
    turned = axes.array_of(as_stored(scan.channel(channel), scan.volume))
    machine = zlib.compressobj(1, zlib.DEFLATED, 31)
    for number in range(turned.shape[2]):
        plane = np.ascontiguousarray(turned[:, :, number].T.astype(dtype))
        yield machine.compress(plane.tobytes())
    yield machine.flush()
