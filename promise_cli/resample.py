"""From a scan's grid to the plan's spacing and back, trilinear, without drift.

The target grid covers exactly the scan's extent: its shape is rounded once, and both ways use the same two shapes, so
that index x of one axis with n voxels means index (x + 0.5) N / n - 0.5 of the same axis with N voxels. (The authors'
code rounds each way on its own and loses up to a voxel at the far edge.) SimpleITK lives here.
"""

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from promise_cli.grid import Grid, Shape, Spacing

Volume32 = NDArray[np.float32]


def target_grid(grid: Grid, spacing: Spacing) -> Grid:
    """The grid nearest to `spacing` (mm) that covers the same extent as `grid`; at least one voxel an axis."""
    pairs = zip(grid.shape, grid.spacing, spacing, strict=True)
    i, j, k = (max(1, round(n * old / new)) for n, old, new in pairs)
    ratio = np.array(grid.shape) / np.array((i, j, k))
    affine = grid.affine.copy()
    affine[:3, :3] = grid.affine[:3, :3] * ratio
    affine[:3, 3] = grid.world(0.5 * ratio - 0.5)
    return Grid((i, j, k), affine)


def resample(array: Volume32, shape: Shape) -> Volume32:
    """Sample `array` (I, J, K) on `shape` voxels over the same extent, trilinear, edges repeated."""
    if array.shape == shape:
        return array
    step = np.array(array.shape) / np.array(shape)
    return _sample(array, 0.5 * step - 0.5, step, shape)


def resample_mask(mask: NDArray[np.bool_], shape: Shape) -> NDArray[np.bool_]:
    """Sample a mask on `shape` voxels: where the trilinear share exceeds one half.

    A mask that is thinner than the new voxels and would vanish keeps the voxels that hold its own voxels' centres.
    """
    resampled = resample(mask.astype(np.float32), shape) > 0.5
    if mask.any() and not resampled.any():
        centres = (np.argwhere(mask) + 0.5) * np.array(shape) / np.array(mask.shape)
        resampled[tuple(centres.astype(int).T)] = True
    return resampled


def resample_window(
    window: Volume32, origin: tuple[int, int, int], grid_shape: Shape, scan_shape: Shape
) -> tuple[Volume32, tuple[slice, slice, slice]]:
    """Bring a window of the target grid back to the scan's grid, touching no voxel outside the window.

    Args:
        window: (I, J, K), its voxel (0, 0, 0) at `origin` of the target grid; may reach beyond the grid.
        origin: Index in the target grid.
        grid_shape: Of the target grid.
        scan_shape: Of the scan.

    Returns:
        The values of the scan's voxels whose centres lie in the window, and where they lie in the scan; empty
        where there are none.
    """
    step = np.array(grid_shape) / np.array(scan_shape)
    lower = np.ceil(np.array(origin) / step - 0.5 - 1e-9).astype(int)
    upper = np.ceil((np.array(origin) + np.array(window.shape)) / step - 0.5 - 1e-9).astype(int)
    lower, upper = np.maximum(lower, 0), np.minimum(upper, scan_shape)
    size = np.maximum(upper - lower, 0)
    i, j, k = (slice(int(a), int(a + n)) for a, n in zip(lower, size, strict=True))
    shape = (int(size[0]), int(size[1]), int(size[2]))
    if not size.all():
        return np.zeros(shape, dtype=np.float32), (i, j, k)
    return _sample(window, (lower + 0.5) * step - 0.5 - np.array(origin), step, shape), (i, j, k)


def _sample(
    array: Volume32, start: NDArray[np.float64], step: NDArray[np.float64], shape: Shape
) -> Volume32:
    """Values at the indices `start + step * n` for n below `shape`, edges repeated."""
    # SimpleITK's axes run (x, y, z) over memory ordered (z, y, x): the transpose makes its x our i.
    image = sitk.GetImageFromArray(np.asarray(array, dtype=np.float32).T)
    resampled = sitk.Resample(
        image,
        [int(n) for n in shape],
        sitk.Transform(3, sitk.sitkIdentity),
        sitk.sitkLinear,
        start.tolist(),
        step.tolist(),
        np.eye(3).ravel().tolist(),
        0.0,
        sitk.sitkFloat32,
        True,  # beyond the edge the nearest voxel counts, also where rounding puts a sample there
    )
    return sitk.GetArrayFromImage(resampled).T
