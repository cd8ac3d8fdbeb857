"""Shows a scan and its mask in a notebook, with ipyniivue (the extra `promise_cli[notebook]`)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import VolumeError
from promise_cli.geometry.grid import Grid
from promise_cli.volume import Volume, nifti_bytes, ras_axes

_WINDOW = (1, 99)
"""Percentiles of the scan that are shown in black and in white."""
_SAMPLE = 1_000_000
"""Largest number of voxels from which the percentiles are measured."""


def show_scan(
    scan: Volume,
    mask: NDArray[np.bool_],
    at: NDArray[np.float64],
    *,
    channel: int = 1,
    height: int = 400,
) -> Any:
    """Return a widget with the scan on the left, and with the scan under its mask on the right.

    Both sides show the same slices, also while the user scrolls in one of them.

    Args:
        scan: The scan.
        mask: Mask (I, J, K) on `scan.grid`.
        at: Voxel (i, j, k) of `scan.grid` at which the slices are placed.
        channel: Number of the channel that is shown, counted from 1.
        height: Height of the widget in pixels.

    Raises:
        VolumeError: The package ipyniivue is not installed, or there is no such channel.
    """
    try:
        from ipyniivue import NiiVue  # noqa: PLC0415  an optional dependency
        from ipywidgets import GridBox, Layout  # noqa: PLC0415
    except ImportError:
        raise VolumeError(
            "show() needs the package ipyniivue; install it with pip install 'promise_cli[notebook]'"
        ) from None
    if not 1 <= channel <= len(scan.channels):
        raise VolumeError(f"channel {channel}: give a number from 1 to {len(scan.channels)}")
    shown = _shown_scan(scan.channels[channel - 1], scan.grid)
    over = {
        "data": nifti_bytes(mask.astype(np.uint8), scan.grid),
        "name": "mask.nii",
        "colormap": "red",
        "opacity": 0.5,
        "cal_min": 0.0,
        "cal_max": 1.0,
        "colorbar_visible": False,
    }
    sides = [NiiVue(height=height), NiiVue(height=height)]
    sides[0].load_volumes([shown])
    sides[1].load_volumes([shown, over])
    cross = _cross(at, scan.grid)
    for side, other in (sides, sides[::-1]):
        side.scene.crosshair_pos = cross
        side.broadcast_to(other, {"2d": True, "3d": True})
    return GridBox(sides, layout=Layout(grid_template_columns="50% 50%"))


def _cross(at: NDArray[np.float64], grid: Grid) -> list[float]:
    """Return where a voxel lies in the scan, as shares of its length from left, from back and from below."""
    shares = ((at + 0.5) / grid.shape).clip(0, 1)
    found = [0.5, 0.5, 0.5]
    for share, (axis, direction) in zip(shares.tolist(), ras_axes(grid), strict=True):
        found[int(axis)] = share if direction > 0 else 1 - share
    return found


def _shown_scan(voxels: NDArray[Any], grid: Grid) -> dict[str, Any]:
    """Describe a scan to ipyniivue."""
    short = voxels.dtype.kind in "iu" and voxels.dtype.itemsize <= 2
    step = max(1, round((voxels.size / _SAMPLE) ** (1 / 3)))
    black, white = np.percentile(voxels[::step, ::step, ::step], _WINDOW)
    return {
        "data": nifti_bytes(voxels if short else voxels.astype(np.float32), grid),
        "name": "scan.nii",
        "colormap": "gray",
        "cal_min": float(black),
        "cal_max": float(max(white, black + 1e-6)),
        "colorbar_visible": False,
    }
