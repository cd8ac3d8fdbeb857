"""Place the next click of a simulated user in the middle of the largest error of a mask."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.box import bounding_box
from promise_cli.geometry.grid import Spacing

Mask = NDArray[np.bool_]


class Correction(NamedTuple):
    """Corrective click: its voxel and its sign."""

    voxel: tuple[int, int, int]
    foreground: bool
    """True if the mask misses the target at this voxel (foreground click), False if it covers background there."""


def largest_error(
    target: Mask, prediction: Mask, spacing: Spacing, rng: np.random.Generator
) -> Correction | None:
    """Place a click in the middle of the largest connected error of a mask.

    Args:
        target: True mask, (I, J, K).
        prediction: Predicted mask, (I, J, K); all False before the first click.
        spacing: Voxel size in mm along i, j, k.
        rng: Random generator that chooses among voxels that are equally far from the surface.

    Returns:
        The voxel and the sign of the click; None if the two masks are equal.
    """
    missed, added = _largest_part(target & ~prediction), _largest_part(prediction & ~target)
    size = max(_size(missed), _size(added))
    if size == 0:
        return None
    foreground = _size(missed) == size
    found = missed if foreground else added
    assert found is not None
    part, start = found
    i, j, k = (_deepest(part, spacing, rng) + start).tolist()
    return Correction((i, j, k), foreground)


def _largest_part(mask: Mask) -> tuple[Mask, NDArray[np.int64]] | None:
    """Find the largest 26-connected part of a mask.

    Returns:
        The part's voxels within a box, and the index of the box's first voxel; None if the mask is empty.
    """
    from scipy import ndimage  # noqa: PLC0415

    if not mask.any():
        return None
    box = bounding_box(mask)
    parts, _ = ndimage.label(mask[box], structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax(), np.array([part.start for part in box])


def _size(part: tuple[Mask, NDArray[np.int64]] | None) -> int:
    return 0 if part is None else int(np.count_nonzero(part[0]))


def _deepest(part: Mask, spacing: Spacing, rng: np.random.Generator) -> NDArray[np.int64]:
    """Find the voxel of a part that is farthest (in mm) from its surface. The array's border counts as surface, too."""
    from scipy import ndimage  # noqa: PLC0415

    depth = ndimage.distance_transform_edt(np.pad(part, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    deepest = np.argwhere(depth >= depth.max() * (1 - 1e-9))
    voxel: NDArray[np.int64] = deepest[rng.integers(len(deepest))]
    return voxel
